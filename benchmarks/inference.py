"""Batch-1 inference of the 17-256-256 actor: what sparsity and int8 bring in time and bytes.

    python -m benchmarks.inference                      # the table and the targets
    python -m benchmarks.inference --compiler clang
    python -m benchmarks.inference --kernels            # one layer, every kernel: the costs behind
                                                        # sparse_rl/artifact/c_source/target.py

Everything is timed one after the other in one run: a dense float32 actor in ONNX Runtime (called
from Python, as its users do) and in C, then sparse actors in C, by number path and sparsity.
Weights and masks are random, so half of the hidden activations are zero, and the masks have no
structure that compaction or a kernel could use; "compacted" rows have lost their dead units as
every export does, the others have not. C is compiled with -O3 -march=native. Times are medians of
20,000 single calls, in microseconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import synthetic
from sparse_rl.artifact import latency
from sparse_rl.artifact.c_source import HOST, Target, generate
from sparse_rl.artifact.calibration import with_static_scales
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.fixed_point import FixedPoint, to_fixed_point
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.latency import Latency
from sparse_rl.artifact.onnx_model import to_onnx
from sparse_rl.artifact.packed import PackedActor, Provenance, to_bytes

DELIVERED = (17, 256, 256, 6)
"""The actor as it is delivered; sizes are against these layers, dense, without the log std head."""
SPARSITIES = (0.8, 0.9, 0.95, 0.98, 0.99)
PATHS = ("int8w", "int8", "integer")


@dataclass(frozen=True)
class Row:
    """One actor."""

    sparsity: float
    path: str
    compacted: bool
    kernels: tuple[str, ...]
    latency: Latency
    packed_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--compiler", help="C compiler; default: cc")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    parser.add_argument("--kernels", action="store_true", help="time every kernel on one layer")
    options = parser.parse_args()
    if options.kernels:
        print_kernels(options.compiler, options.calls)
        return
    observations = synthetic.random_observations(synthetic.mlp_actor(DELIVERED), 1000)
    onnx = onnx_latency(observations, options.calls)
    dense = latency.of_source(
        generate(synthetic.mlp_actor(DELIVERED, 0.0, "float32")),
        observations,
        options.calls,
        options.compiler,
    )
    rows = list(measure(observations, options.calls, options.compiler))
    print_table(onnx, dense, rows)
    met = print_targets(onnx, dense, rows)
    if options.json:
        options.json.write_text(json.dumps(as_json(onnx, dense, rows), indent=2) + "\n")
    sys.exit(0 if met else 1)


def measure(observations: np.ndarray, calls: int, compiler: str | None) -> Iterator[Row]:
    for sparsity in SPARSITIES:
        for path in PATHS:
            for compacted in (False, True):
                graph, program, unit = actor(sparsity, path, compacted, observations)
                source = generate(program)
                time = latency.of_source(source, observations, calls, compiler)
                about = Provenance(
                    "brax/halfcheetah", f"{sparsity:g}-{path}", 3, "3f0a9c1e77d2", 7811.4
                )
                size = len(to_bytes(PackedActor(graph, about, unit)))
                yield Row(sparsity, path, compacted, source.kernels, time, size)


def actor(
    sparsity: float, path: str, compacted: bool, observations: np.ndarray
) -> tuple[Graph, Graph | FixedPoint, float | None]:
    """(graph, what C is generated from, the integer path's unit)."""
    graph = synthetic.mlp_actor(DELIVERED, sparsity, "int8w" if path == "int8w" else "int8")
    if path == "integer":
        graph = with_static_scales(graph, observations)
    if compacted:
        graph = compact(graph)
    if path != "integer":
        return graph, graph, None
    fixed = to_fixed_point(graph, observations)
    return graph, fixed, fixed.unit


def onnx_latency(observations: np.ndarray, calls: int) -> Latency:
    """The dense float32 actor in ONNX Runtime, one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = to_onnx(synthetic.mlp_actor(DELIVERED, 0.0, "float32")).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return latency.of_function(lambda x: session.run(None, {"observation": x}), observations, calls)


def print_table(onnx: Latency, dense: Latency, rows: list[Row]) -> None:
    table = Table(title=f"17-256-256-6, one observation, {platform.machine()}")
    columns = (
        "sparsity",
        "numbers",
        "compacted",
        "kernels",
        "median us",
        "p99 us",
        "x ONNX",
        "x dense C",
    )
    for name in (*columns, "packed bytes", "x smaller"):
        table.add_column(name, justify="left" if name in ("numbers", "kernels") else "right")
    full = synthetic.dense_float32_bytes(synthetic.mlp_actor(DELIVERED, 0.0, "float32"))
    for name, time in (("ONNX Runtime", onnx), ("C", dense)):
        table.add_row(
            "0",
            f"float32, {name}",
            "",
            "",
            f"{time.median:.2f}",
            f"{time.p99:.2f}",
            f"{onnx.median / time.median:.1f}",
            f"{dense.median / time.median:.1f}",
            f"{full:,}",
            "1",
        )
    for row in rows:
        time = row.latency
        table.add_row(
            f"{row.sparsity:g}",
            row.path,
            "yes" if row.compacted else "no",
            " ".join(row.kernels),
            f"{time.median:.2f}",
            f"{time.p99:.2f}",
            f"{onnx.median / time.median:.1f}",
            f"{dense.median / time.median:.1f}",
            f"{row.packed_bytes:,}",
            f"{full / row.packed_bytes:.1f}",
        )
    Console(width=140).print(table)


def print_targets(onnx: Latency, dense: Latency, rows: list[Row]) -> bool:
    """The promises, each on the slowest or largest number path of actors as they are exported."""
    full = synthetic.dense_float32_bytes(synthetic.mlp_actor(DELIVERED, 0.0, "float32"))

    def slowest(sparsity: float, compacted: bool) -> float:
        chosen = [r for r in rows if r.sparsity == sparsity and r.compacted == compacted]
        return max(row.latency.median for row in chosen)

    def largest(sparsity: float) -> int:
        return max(r.packed_bytes for r in rows if r.sparsity == sparsity and r.compacted)

    checks = []
    for compacted, name in ((False, "as masked"), (True, "compacted")):
        checks += [
            (
                f"98 %, {name}: C against dense ONNX Runtime",
                onnx.median / slowest(0.98, compacted),
                9,
            ),
            (f"98 %, {name}: C against dense C", dense.median / slowest(0.98, compacted), 3),
            (f"90 %, {name}: C against dense C", dense.median / slowest(0.9, compacted), 1),
        ]
    checks += [
        ("99 %: packed file against dense float32", full / largest(0.99), 100),
        ("98 %: packed file against dense float32", full / largest(0.98), 60),
    ]
    for name, found, needed in checks:
        print(
            f"{'met ' if found >= needed else 'MISSED'}  {name:<48} "
            f"{found:7.1f}x  (at least {needed}x)"
        )
    return all(found >= needed for _, found, needed in checks)


def as_json(onnx: Latency, dense: Latency, rows: list[Row]) -> dict[str, object]:
    """All figures, for the page of results."""
    return {
        "machine": platform.platform(),
        "onnxruntime_dense_float32": vars(onnx),
        "c_dense_float32": vars(dense),
        "actors": [{**vars(row), "latency": vars(row.latency)} for row in rows],
    }


def forced_target(name: str, unrolled: float, terms: int, sparse: float) -> Target:
    """The host with densities that leave one kernel for every layer."""
    return Target(
        name, unrolled, unrolled, terms, sparse, sparse, False, HOST.vector, HOST.wide_weights
    )


def print_kernels(compiler: str | None, calls: int) -> None:
    """Microseconds by kernel; the layer 256-256 is nearly all of it."""
    forced = {
        "unrolled": forced_target("unrolled", 1, 10**9, 1),
        "columns": forced_target("columns", 0, 0, 1),
        "rows": replace(forced_target("rows", 0, 0, 1), rows=True),
        "full": forced_target("full", 0, 0, 0),
    }
    observations = synthetic.random_observations(synthetic.mlp_actor((8, 6)), 1000)
    table = Table(title="microseconds of an actor 8-256-256-6, by the kernel of all its layers")
    for name in ("sparsity", "numbers", *forced, "chosen"):
        table.add_column(name, justify="right")
    for sparsity in (0.5, 0.8, 0.9, 0.95, 0.98):
        for path in ("int8w", "int8"):
            graph = synthetic.mlp_actor((8, 256, 256, 6), sparsity, path)  # type: ignore[arg-type]
            times = []
            for name, target in forced.items():
                if name == "unrolled" and sparsity < 0.9:
                    times.append("-")
                    continue
                found = latency.of_source(generate(graph, target), observations, calls, compiler)
                times.append(f"{found.median:.2f}")
            table.add_row(f"{sparsity:g}", path, *times, generate(graph, HOST).kernels[1])
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
