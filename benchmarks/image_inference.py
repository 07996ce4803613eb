"""Batch-1 inference of Q-networks on images: what sparsity and int8 bring in time and bytes.

    python -m benchmarks.image_inference [--networks minatar nature impala] [--json FILE]

The networks of MinAtar (planes of 10 x 10), of Mnih et al. 2015 and of Espeholt et al. 2018 (four
frames of 84 x 84) with random weights and masks, six actions; nothing is compacted, because random
masks leave no dead channel. ONNX Runtime, dense in float32 and called from Python with one thread,
is timed in the same run; some 7 us of its time are the call. C is compiled with -O3 -march=native.
Medians of single calls, in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import synthetic
from benchmarks.harness import argument_parser, report
from sparse_rl.arithmetics import Arithmetic
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.cost import latency
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.onnx.model import to_unguarded_onnx
from sparse_rl.artifact.packed import PackedActor, to_bytes

NETWORKS: dict[str, Callable[..., Graph]] = {
    "minatar": synthetic.minatar_q_network,
    "nature": synthetic.nature_q_network,
    "impala": synthetic.impala_q_network,
}
CALLS = {"minatar": 20_000, "nature": 1_000, "impala": 300}
SPARSITIES = (0.0, 0.9, 0.95, 0.98)
ARITHMETICS: tuple[Arithmetic, ...] = ("float32", "int8", "integer")
OBSERVATIONS = 100


def main() -> None:
    parser = argument_parser(__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--compiler", help="C compiler; default: cc")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in options.networks:
        rows += measure(name, options.compiler)
    report("Q-networks on images, one observation", rows, options.json)


def measure(name: str, compiler: str | None) -> list[dict[str, Any]]:
    """ONNX Runtime's row, and one for each sparsity and arithmetic in C."""
    make, calls = NETWORKS[name], CALLS[name]
    dense = make(sparsity=0.0, quantization="float32")
    seen = synthetic.random_observations(dense, OBSERVATIONS)
    full = synthetic.dense_float32_bytes(dense)
    model = to_unguarded_onnx(dense).SerializeToString()
    onnx = latency.of_onnx(model, seen, calls).median
    found = [(0.0, "float32, ONNX Runtime", onnx, full)]
    for sparsity in SPARSITIES:
        for arithmetic in ARITHMETICS:
            graph = make(sparsity=sparsity, quantization=arithmetic)
            time = latency.of_source(generate(graph), seen, calls, compiler).median
            found.append((sparsity, arithmetic, time, len(to_bytes(PackedActor(graph)))))
    in_c = found[1][2]
    return [
        {
            "network": name,
            "sparsity": sparsity,
            "numbers": numbers,
            "times faster than ONNX Runtime": onnx / time,
            "times faster than dense C": in_c / time,
            "times smaller": full / size,
            "us": time,
            "bytes": size,
        }
        for sparsity, numbers, time, size in found
    ]


if __name__ == "__main__":
    main()
