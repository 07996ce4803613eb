"""One action on this computer: microseconds, from C and from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import onnx_runtime
from benchmarks.rivals import integers, litert, onnx2c, onnx_integers
from benchmarks.rivals.case import Case, NotRun, Row
from sparse_rl.artifact import packed, reference
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.cost import latency
from sparse_rl.artifact.cost.latency import Latency
from sparse_rl.artifact.onnx.model import to_unguarded_onnx
from sparse_rl.artifact.runtime import Actor, load_actor

_COLUMNS = ("from", "median us", "p99 us", "bytes of the file", "largest difference")


def host(case: Case, onnx2c_program: Path | None, calls: int) -> Iterator[Row | NotRun]:
    """Rows of this computer."""
    seen, expected = case.observations, reference.act(case.dense, case.observations)
    float_onnx = to_unguarded_onnx(case.dense).SerializeToString()
    integer_onnx = onnx_integers.model(float_onnx, seen)
    for numbers, model in (("float32", float_onnx), ("uint8", integer_onnx)):
        actions = onnx_integers.actions_of(model, seen)
        time = latency.of_onnx(model, seen, calls)
        yield _row("ONNX Runtime", numbers, "Python", time, len(model), actions, expected)
        time, _ = onnx_runtime.latency_from_c(model, seen, calls)
        yield _row("ONNX Runtime", numbers, "C", time, len(model), actions, expected)
    chain = integers.quantized(case.dense, seen)
    if absent := litert.missing():
        yield NotRun("LiteRT, XNNPACK", absent)
    else:
        for numbers, model in (
            ("float32", litert.float_model(case.dense)),
            ("int8", litert.integer_model(chain)),
        ):
            time, actions = litert.latency(model, seen, calls)
            yield _row("LiteRT, XNNPACK", numbers, "Python", time, len(model), actions, expected)
    if absent := onnx2c.missing(onnx2c_program):
        yield NotRun("onnx2c", absent)
    else:
        assert onnx2c_program is not None
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            onnx2c.write(case.dense, onnx2c_program, directory)
            program = latency.build_written_timer(directory)
            samples = latency.run_timer(program, directory, seen, calls)
        yield _row("onnx2c", "float32", "C", latency.of_samples(samples))
    for name, graph in case.ours.items():
        time = latency.of_source(generate(graph), seen, calls)
        content = packed.to_bytes(packed.PackedActor(graph))
        yield _row("sparse_rl", name, "C", time, len(content))
        actor = _loaded(content)
        time = latency.of_function(_on_one(actor), seen, calls)
        yield _row("sparse_rl", name, "Python", time, len(content))


def _on_one(actor: Actor) -> Callable[[NDArray], object]:
    """The actor on the only observation of a batch."""
    return lambda observations: actor(observations[0])


def _loaded(content: bytes) -> Actor:
    """As a user loads it: its C, called from Python."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "actor.srl"
        file.write_bytes(content)
        return load_actor(file)


def _row(
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
    return {"runtime": runtime, "numbers": numbers} | dict(zip(_COLUMNS, values, strict=True))
