"""The same actor in other runtimes and in ours: time, instructions, bytes, moved actions.

    python -m benchmarks.rivals --cmsis-nn CMSIS-NN --onnx2c onnx2c/onnx2c
    python -m benchmarks.rivals --policies results/pendulum/policies ...

Without `--policies` the actor is 17-256-256-6 with random weights; with it, the policies in a
folder, where `dense.srl` is what the others get. None of them gains from weights that are zero, so
they run the dense actor only, in float32 and in int8 with fixed ranges. What is not there is a row
"not run", with why below the table. Everything is called one after the other in one run, one
thread, one observation at a time; medians of single calls.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import microcontroller, onnx_runtime, synthetic
from benchmarks.harness import machine, print_table
from benchmarks.rivals import cmsis_nn, integers, litert, onnx2c, onnx_integers
from sparse_rl import atomic_file
from sparse_rl.architecture.operations import Squash
from sparse_rl.artifact import latency, packed, reference
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.latency import Latency
from sparse_rl.artifact.onnx_model import to_unguarded_onnx
from sparse_rl.artifact.runtime import Actor, load_actor
from sparse_rl.compression.post_training import in_powers_of_two

Row = dict[str, Any]
EMULATED = 30
"""Observations on the emulated processor."""


@dataclass(frozen=True, eq=False)
class Case:
    """One dense actor in float32, for all; and ours, by name, as they are delivered.

    The dense one's actions are in [-1, 1]: the environment's bounds are left to the caller.
    """

    name: str
    dense: Graph
    observations: NDArray[np.float32]
    ours: dict[str, Graph]


class NotRun(NamedTuple):
    """Instead of a row: who is missing, and why."""

    runtime: str
    why: str


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policies", type=Path, metavar="FOLDER")
    parser.add_argument("--cmsis-nn", type=Path, metavar="FOLDER", help="a checkout of CMSIS-NN")
    parser.add_argument("--onnx2c", type=Path, metavar="PROGRAM")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the tables there")
    options = parser.parse_args()
    case = trained(options.policies) if options.policies else random_case()
    found = {
        f"{case.name}: this computer": list(host(case, options.onnx2c, options.calls)),
        f"{case.name}: Cortex-M4F, emulated": list(board(case, options.cmsis_nn, options.onnx2c)),
    }
    absent = [x for lines in found.values() for x in lines if isinstance(x, NotRun)]
    tables = {title: _filled(lines) for title, lines in found.items()}
    for title, rows in tables.items():
        print_table(title, rows)
    for one in dict.fromkeys(absent):
        print(f"{one.runtime}: not run: {one.why}")
    if options.json:
        content = {
            "machine": machine(),
            "tables": [{"title": title, "rows": rows} for title, rows in tables.items()],
            "not_run": {one.runtime: one.why for one in absent},
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write_text(options.json, json.dumps(content, indent=1) + "\n")


def _filled(lines: list[Row | NotRun]) -> list[Row]:
    """Rows with the same columns."""
    columns = next((list(line) for line in lines if not isinstance(line, NotRun)), [])
    empty = dict.fromkeys(columns, "")
    return [
        empty | {"runtime": line.runtime, "numbers": "not run"}
        if isinstance(line, NotRun)
        else line
        for line in lines
    ]


def random_case() -> Case:
    """17-256-256-6 with random weights and masks, with and without what compaction takes."""
    sizes = (17, 256, 256, 6)
    dense = synthetic.mlp_actor(sizes, 0.0, "float32")
    observations = synthetic.random_observations(dense, 1000)
    ours = {"0 float32": dense}
    ours["0 integer"] = in_powers_of_two(synthetic.mlp_actor(sizes, 0.0, "int8w"), observations)
    for sparsity in (0.9, 0.98):
        for numbers in ("float32", "int8", "integer"):
            kind = {"integer": "int8w"}.get(numbers, numbers)
            graph = synthetic.mlp_actor(sizes, sparsity, kind)  # type: ignore[arg-type]
            if numbers == "integer":
                graph = in_powers_of_two(graph, observations)
            ours[f"{sparsity:g} {numbers}, as masked"] = graph
            ours[f"{sparsity:g} {numbers}"] = compact(graph)
    return Case("17-256-256-6, random weights", dense, observations, ours)


def trained(folder: Path) -> Case:
    """The policies of a folder; observations are those of the dense one's own episodes."""
    from sparse_rl.envs import make
    from sparse_rl.playing.play import play

    policies = {path.stem: packed.load(path) for path in sorted(folder.glob("*.srl"))}
    dense = policies["dense"]
    made = make(dense.provenance.environment)
    seen = play(lambda x: reference.act(dense.graph, x), made, 5, 0, keep=1000).observations
    observations = np.asarray(seen, np.float32)
    ours = {name: policy.graph for name, policy in policies.items()}
    width = dense.graph.output_shape[0]
    alone = replace(dense.graph, output=Squash((-1.0,) * width, (1.0,) * width))
    return Case(f"{folder}, {dense.provenance.environment}", alone, observations, ours)


def host(case: Case, onnx2c_program: Path | None, calls: int) -> Iterator[Row | NotRun]:
    """Rows of this computer."""
    seen, expected = case.observations, reference.act(case.dense, case.observations)
    float_onnx = to_unguarded_onnx(case.dense).SerializeToString()
    integer_onnx = onnx_integers.model(float_onnx, seen)
    for numbers, model in (("float32", float_onnx), ("uint8", integer_onnx)):
        time, actions = onnx_integers.latency_from_python(model, seen, calls)
        yield _host_row("ONNX Runtime", numbers, "Python", time, len(model), actions, expected)
        time, _ = onnx_runtime.latency_from_c(model, seen, calls)
        yield _host_row("ONNX Runtime", numbers, "C", time, len(model), actions, expected)
    chain = integers.quantized(case.dense, seen)
    if absent := litert.missing():
        yield NotRun("LiteRT, XNNPACK", absent)
    else:
        for numbers, model in (
            ("float32", litert.float_model(case.dense)),
            ("int8", litert.integer_model(chain)),
        ):
            time, actions = litert.latency(model, seen, calls)
            yield _host_row(
                "LiteRT, XNNPACK", numbers, "Python", time, len(model), actions, expected
            )
    if absent := onnx2c.missing(onnx2c_program):
        yield NotRun("onnx2c", absent)
    else:
        assert onnx2c_program is not None
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            onnx2c.write(case.dense, onnx2c_program, directory)
            program = latency.build_written_timer(directory)
            samples = latency.run_timer(program, directory, seen, calls)
        yield _host_row("onnx2c", "float32", "C", latency.of_samples(samples))
    for name, graph in case.ours.items():
        time = latency.of_source(generate(graph), seen, calls)
        content = packed.to_bytes(packed.PackedActor(graph))
        yield _host_row("sparse_rl", name, "C", time, len(content))
        actor = _loaded(content)
        time = latency.of_function(lambda x, actor=actor: actor(x[0]), seen, calls)
        yield _host_row("sparse_rl", name, "Python", time, len(content))


def _loaded(content: bytes) -> Actor:
    """As a user loads it: its C, called from Python."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "actor.srl"
        file.write_bytes(content)
        return load_actor(file)


def board(case: Case, cmsis: Path | None, onnx2c_program: Path | None) -> Iterator[Row | NotRun]:
    """Rows of the Cortex-M4F; nothing where its compiler or its emulator is not installed."""
    if absent := microcontroller.missing_tools():
        yield NotRun("all", f"not installed: {', '.join(absent)}")
        return
    seen = case.observations[:EMULATED]
    expected = reference.act(case.dense, seen)
    width = case.dense.output_shape[0]

    def written(
        write: Callable[[Path], None], more: tuple[Path, ...], options: tuple[str, ...]
    ) -> microcontroller.MicrocontrollerReport:
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            write(directory)
            return microcontroller.run_sources(directory, seen, width, more=more, options=options)

    if absent_there := cmsis_nn.missing(cmsis):
        yield NotRun("CMSIS-NN", absent_there)
    else:
        assert cmsis is not None
        folder = cmsis.resolve()
        chain = integers.quantized(case.dense, case.observations)
        report = written(
            lambda directory: cmsis_nn.write(chain, directory),
            tuple(folder / name for name in cmsis_nn.NEEDED),
            (f"-I{folder / 'Include'}",),
        )
        yield _board_row("CMSIS-NN", "int8", report, integers.actions(chain, seen), expected)
    yield NotRun(
        "TensorFlow Lite Micro", "it calls the same CMSIS-NN, with an interpreter around it"
    )
    if absent_there := onnx2c.missing(onnx2c_program):
        yield NotRun("onnx2c", absent_there)
    else:
        program: Path = onnx2c_program  # type: ignore[assignment]
        report = written(
            lambda directory: onnx2c.write(case.dense, program, directory), (), ("-w",)
        )
        yield _board_row("onnx2c", "float32", report, expected, expected)
    for name, graph in case.ours.items():
        report = microcontroller.run(graph, seen)
        own = reference.act(graph, seen)
        yield _board_row("sparse_rl", name, report, own, None)


HOST_COLUMNS = ("from", "median us", "p99 us", "bytes of the file", "largest difference")
BOARD_COLUMNS = (
    "instructions",
    "flash of the actor",
    "flash of all",
    "static RAM",
    "stack",
    "largest difference",
)


def _host_row(
    runtime: str,
    numbers: str,
    caller: str,
    time: Latency,
    size: int | None = None,
    actions: NDArray | None = None,
    expected: NDArray | None = None,
) -> Row:
    difference: float | str = ""
    if actions is not None and expected is not None:
        difference = float(np.abs(actions - expected).max())
    values = (caller, time.median, time.p99, "" if size is None else size, difference)
    return {"runtime": runtime, "numbers": numbers} | dict(zip(HOST_COLUMNS, values, strict=True))


def _board_row(
    runtime: str,
    numbers: str,
    report: microcontroller.MicrocontrollerReport,
    own: NDArray,
    dense: NDArray | None,
) -> Row:
    """Raises ValueError where the emulated actions are not those computed here."""
    off = float(np.abs(report.actions - own).max())
    if off > 1e-4:
        raise ValueError(f"{runtime}, {numbers}: actions on the board are off by {off:g}")
    values = (
        round(report.instructions),
        report.flash_actor,
        report.flash_total,
        report.ram_static,
        report.ram_stack,
        "" if dense is None else float(np.abs(own - dense).max()),
    )
    return {"runtime": runtime, "numbers": numbers} | dict(zip(BOARD_COLUMNS, values, strict=True))


if __name__ == "__main__":
    main()
