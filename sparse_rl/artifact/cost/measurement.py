"""The cost report: what compression brought in bytes, microseconds, instructions and energy.

Everything is measured on this machine, one after the other in the same run, beside a dense float32
actor of the same layers. The formula's ratio stands beside it, labelled as theoretical.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.compiler import CompilationError, find_compiler
from sparse_rl.artifact.cost import energy, latency
from sparse_rl.artifact.cost.in_c import InC, run_in_c
from sparse_rl.artifact.cost.latency import Latency, TimingError
from sparse_rl.artifact.cost.record import NOT_AVAILABLE, Cost
from sparse_rl.artifact.graph import Graph, layer_shapes, layers, with_layers
from sparse_rl.artifact.packed import PackedActor, entropy_bound, to_bytes
from sparse_rl.artifact.weights import Weights


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
    in_c, c_not_run = dict.fromkeys(("c_dense_float32", "c"), InC()), None
    if find_compiler():
        try:
            in_c = {
                name: run_in_c(graph, observations)
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


def _onnx_latency(graph: Graph, observations: NDArray) -> Latency | None:
    large = int(np.prod(graph.observation.shape)) > 1000
    try:
        from sparse_rl.artifact.onnx.model import to_unguarded_onnx

        model = to_unguarded_onnx(graph).SerializeToString()
        return latency.of_onnx(model, observations, 500 if large else 20_000)
    except ImportError:
        return None
