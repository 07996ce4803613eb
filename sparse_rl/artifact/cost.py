"""The cost report: what compression brought in bytes, microseconds, instructions and energy.

Everything is measured on this machine, one after the other in the same run, beside a dense float32
actor of the same layers. The formula's ratio stands beside it, labelled as theoretical.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact import energy, instructions, latency
from sparse_rl.artifact.c_source import Source, generate
from sparse_rl.artifact.compiler import CompilationError, compile_c, find_compiler
from sparse_rl.artifact.graph import Graph, layer_shapes, layers, with_layers
from sparse_rl.artifact.instructions import InstructionCount
from sparse_rl.artifact.latency import Latency, TimingError
from sparse_rl.artifact.packed import PackedActor, entropy_bound, to_bytes
from sparse_rl.artifact.weights import Weights

NOT_AVAILABLE = "not available"


@dataclass(frozen=True)
class Cost:
    """One actor beside its dense float32 counterpart; a missing measurement is None."""

    sparsity: float
    """Share of the trained policy's kernel weights that are zero, before compaction."""
    theoretical_ratio: float
    """(4 for int8) / (1 - sparsity): the formula, not a measurement."""
    bytes: dict[str, int]
    packed_ratio: float
    """Dense float32 bytes of the trained network over the packed file's, everything included."""
    entropy_bound: dict[str, float]
    """Bytes of index, value and bias bits (see `packed.entropy_bound`): before and after."""
    latency: dict[str, Latency | None]
    instructions: dict[str, float | None]
    instruction_method: str
    multiply_accumulates: dict[str, int]
    energy_model: dict[str, Any]
    energy_measured: dict[str, float | str]
    c_not_run: str | None = None
    """Why there is none of the figures of C although there is a compiler; None where they are."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


def measure(
    original: Graph,
    delivered: PackedActor,
    observations: NDArray,
    trained_float32_bytes: int,
    onnx_bytes: int | None = None,
) -> Cost:
    """The costs of an actor.

    `original` is the graph before compaction, `delivered` the packed actor; `trained_float32_bytes`
    counts the network as it was trained, with a SAC actor's second head. Without a C compiler, ONNX
    Runtime or valgrind their entries are None, as all of C's are where the compiler fails or what
    it made does not run.
    """
    dense = dense_counterpart(original)
    kernels = [layer.weights for layer in layers(original.operations)]
    sparsity = 1 - sum(k.nonzero for k in kernels) / sum(k.values.size for k in kernels)
    integer = all(k.scale is not None for k in kernels)
    quantized = all(layer.input_scale is not None for layer in layers(original.operations))
    packed = len(to_bytes(delivered))
    sizes = {
        "dense_float32": trained_float32_bytes,
        "packed": packed,
    }
    if onnx_bytes is not None:
        sizes["onnx"] = onnx_bytes
    in_c, c_not_run = dict.fromkeys(("c_dense_float32", "c"), _InC()), None
    if find_compiler():
        try:
            in_c = {
                name: _run_in_c(graph, observations)
                for name, graph in (("c_dense_float32", dense), ("c", delivered.graph))
            }
        except (CompilationError, TimingError) as error:
            c_not_run = str(error)
    sizes |= {f"{name}_object": one.bytes for name, one in in_c.items() if one.bytes is not None}
    measured = {"onnxruntime_dense_float32": _onnx_latency(dense, observations)}
    measured |= {name: one.latency for name, one in in_c.items()}
    counts = [one.instructions for one in in_c.values() if one.instructions]
    products = {
        "dense": multiply_accumulates(original, surviving=False),
        "surviving": multiply_accumulates(original, surviving=True),
        "after_compaction": multiply_accumulates(delivered.graph, surviving=True),
    }
    model = {
        "source": energy.SOURCE,
        "unit": "nanojoules per action",
        "dense_float32": asdict(energy.estimate(products["dense"], trained_float32_bytes, False)),
        "compressed": asdict(energy.estimate(products["after_compaction"], packed, quantized)),
    }
    return Cost(
        sparsity=sparsity,
        theoretical_ratio=(4 if integer else 1) / max(1e-12, 1 - sparsity),
        bytes=sizes,
        packed_ratio=trained_float32_bytes / packed,
        entropy_bound={
            "original": entropy_bound(original),
            "compacted": entropy_bound(delivered.graph),
        },
        latency=measured,
        instructions={
            name: one.instructions.per_action if one.instructions else None
            for name, one in in_c.items()
        },
        instruction_method=counts[-1].method if counts else NOT_AVAILABLE,
        multiply_accumulates=products,
        energy_model=model,
        energy_measured={
            name: NOT_AVAILABLE if one.energy is None else one.energy for name, one in in_c.items()
        },
        c_not_run=c_not_run,
    )


class _InC(NamedTuple):
    """What one actor costs in C; a missing measurement is None."""

    bytes: int | None = None
    latency: Latency | None = None
    instructions: InstructionCount | None = None
    energy: float | None = None


def _run_in_c(graph: Graph, observations: NDArray) -> _InC:
    """Raises CompilationError, TimingError."""
    source = generate(graph)
    return _InC(
        object_bytes(source) if shutil.which("size") else None,
        latency.of_source(source, observations),
        instructions.count(source, observations),
        _meter(source, observations),
    )


def dense_counterpart(graph: Graph) -> Graph:
    """The same layers with float32 weights, none of them zero, and float inputs."""
    random = np.random.default_rng(0)

    def filled(values: NDArray) -> Weights:
        bound = 1 / np.sqrt(max(1, values.size // max(1, values.shape[-1])))
        return Weights(random.uniform(-bound, bound, values.shape).astype(np.float32))

    dense = (
        replace(layer, weights=filled(layer.weights.values), input_scale=None)
        for layer in layers(graph.operations)
    )
    return replace(graph, operations=with_layers(graph.operations, dense))


def multiply_accumulates(graph: Graph, surviving: bool) -> int:
    """Products per action: weights, or only those that survive, times positions."""
    total = 0
    for layer, _, after in layer_shapes(graph):
        weights = layer.weights.nonzero if surviving else layer.weights.values.size
        total += weights * int(np.prod(after[:-1], dtype=int))
    return total


def object_bytes(source: Source) -> int:
    """Code and constants of the generated C, compiled with -O3 -march=native.

    Raises CompilationError, also where `size` does not know what was compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        source.write(directory)
        compile_c(directory / "srl_actor.o", [directory / "srl_actor.c"], "-c")
        done = subprocess.run(
            ["size", "srl_actor.o"], cwd=folder, check=False, capture_output=True, text=True
        )
    if done.returncode:
        raise CompilationError.of("size", done.stderr)
    return sum(int(number) for number in done.stdout.splitlines()[1].split()[:2])


def describe(cost: Cost) -> str:
    """The report as text."""
    dense = cost.bytes["dense_float32"]
    lines = ["bytes" + " " * 27 + "      smaller"]
    for name, size in cost.bytes.items():
        lines.append(f"  {name:<26}{size:>10,}  {dense / size:>8.1f}x")
    lines.append(
        f"  theoretical, {100 * cost.sparsity:.2f} % of weights zero"
        f"{cost.theoretical_ratio:>11.1f}x"
    )
    bound = cost.entropy_bound
    packed = cost.bytes["packed"]
    lines.append(
        f"  entropy bound {bound['original']:,.0f} bytes as trained (packed is "
        f"{packed / bound['original']:.2f} times that), {bound['compacted']:,.0f} as compacted "
        f"({packed / bound['compacted']:.2f})"
    )
    lines.append("latency of one action, microseconds    median       p99")
    for name, value in cost.latency.items():
        figures = f"{value.median:>9.2f} {value.p99:>9.2f}" if value else f"{NOT_AVAILABLE:>19}"
        lines.append(f"  {name:<34}{figures}")
    if cost.c_not_run:
        lines.append(f"C is not run: {cost.c_not_run}")
    lines += _figures(f"instructions per action ({cost.instruction_method})", cost.instructions, 0)
    lines.append("multiply-accumulates")
    lines += [f"  {name:<34}{n:>9,}" for name, n in cost.multiply_accumulates.items()]
    lines.append(f"energy, nanojoules per action, modelled after {cost.energy_model['source']}")
    for name in ("dense_float32", "compressed"):
        item = cost.energy_model[name]
        total = item["arithmetic"] + item["memory"]
        lines.append(f"  {name:<34}{total:>9,.1f}  (weights in {item['memory_name']})")
    lines += _figures("energy, nanojoules per action, measured (RAPL)", cost.energy_measured, 1)
    return "\n".join(lines)


def _figures(title: str, figures: Mapping[str, float | str | None], decimals: int) -> list[str]:
    """A title and a line for each figure; the title alone where none could be had."""
    if not any(isinstance(figure, float) for figure in figures.values()):
        return [title if NOT_AVAILABLE in title else f"{title}: {NOT_AVAILABLE}"]
    texts = {
        name: f"{figure:>9,.{decimals}f}" if isinstance(figure, float) else NOT_AVAILABLE
        for name, figure in figures.items()
    }
    return [title, *(f"  {name:<34}{text}" for name, text in texts.items())]


def _onnx_latency(graph: Graph, observations: NDArray) -> Latency | None:
    large = int(np.prod(graph.observation.shape)) > 1000
    try:
        from sparse_rl.artifact.onnx_model import to_unguarded_onnx

        model = to_unguarded_onnx(graph).SerializeToString()
        return latency.of_onnx(model, observations, 500 if large else 20_000)
    except ImportError:
        return None


def _meter(source: Source, observations: NDArray) -> float | None:
    if not energy.is_metered():
        return None
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        program = latency.build_timer(source, directory)
        return energy.measured(lambda n: latency.run_timer(program, directory, observations, n))
