"""Batch-1 inference of the 17-256-256 actor: what sparsity and int8 bring in time and bytes.

    python -m benchmarks.inference                      # the table and the targets
    python -m benchmarks.inference --compiler clang
    python -m benchmarks.inference --kernels            # one layer, every kernel: the costs behind
                                                        # sparse_rl/artifact/c_source/target.py

Everything is timed one after the other in one run: a dense float32 actor in ONNX Runtime (called
from Python, as most of its users do, and from C) and in C, then sparse actors in C, by number path
and sparsity: float32, int8 weights alone, int8 with a scale for each observation, and "integer",
which is int8 in fixed powers of two.
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

from benchmarks import onnx_runtime, synthetic
from benchmarks.harness import machine
from sparse_rl.artifact.c_source import HOST, Target, generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.cost import latency
from sparse_rl.artifact.cost.latency import Latency
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.onnx.model import to_unguarded_onnx
from sparse_rl.artifact.packed import PackedActor, Provenance, to_bytes

DELIVERED = (17, 256, 256, 6)
"""The actor as it is delivered; sizes are against these layers, dense, without the log std head."""
SPARSITIES = (0.8, 0.9, 0.95, 0.98, 0.99)
PATHS = ("float32", "int8w", "int8", "integer")


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
    from_python = latency.of_onnx(onnx_dense(), observations, options.calls)
    from_c, _ = onnx_runtime.latency_from_c(
        onnx_dense(), observations, options.calls, options.compiler
    )
    dense = latency.of_source(
        generate(synthetic.mlp_actor(DELIVERED, 0.0, "float32")),
        observations,
        options.calls,
        options.compiler,
    )
    rows = list(measure(observations, options.calls, options.compiler))
    print_table(from_python, from_c, dense, rows)
    met = print_targets(from_c, dense, rows)
    if options.json:
        told = as_json(from_python, from_c, dense, rows)
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    sys.exit(0 if met else 1)


def measure(observations: np.ndarray, calls: int, compiler: str | None) -> Iterator[Row]:
    for sparsity in SPARSITIES:
        for path in PATHS:
            for compacted in (False, True):
                graph = actor(sparsity, path, compacted, observations)
                source = generate(graph)
                time = latency.of_source(source, observations, calls, compiler)
                about = Provenance(
                    "brax/halfcheetah", f"{sparsity:g}-{path}", 3, "3f0a9c1e77d2", 7811.4
                )
                size = len(to_bytes(PackedActor(graph, about)))
                yield Row(sparsity, path, compacted, source.kernels, time, size)


def actor(sparsity: float, path: str, compacted: bool, observations: np.ndarray) -> Graph:
    graph = synthetic.calibrated_mlp_actor(DELIVERED, sparsity, path, observations)  # type: ignore[arg-type]
    return compact(graph) if compacted else graph


def onnx_dense() -> bytes:
    """The dense float32 actor as an ONNX model: layers, ReLU and tanh, nothing else."""
    dense = synthetic.mlp_actor(DELIVERED, 0.0, "float32")
    model: bytes = to_unguarded_onnx(dense).SerializeToString()
    return model


def print_table(from_python: Latency, from_c: Latency, dense: Latency, rows: list[Row]) -> None:
    table = Table(title=f"17-256-256-6, one observation, {platform.machine()}")
    columns = (
        "sparsity",
        "numbers",
        "compacted",
        "kernels",
        "median us",
        "p99 us",
        "x ONNX, C",
        "x dense C",
    )
    for name in (*columns, "packed bytes", "x smaller"):
        table.add_column(name, justify="left" if name in ("numbers", "kernels") else "right")
    full = synthetic.dense_float32_bytes(synthetic.mlp_actor(DELIVERED, 0.0, "float32"))
    for name, time in (
        ("ONNX Runtime, Python", from_python),
        ("ONNX Runtime, C", from_c),
        ("C", dense),
    ):
        table.add_row(
            "0",
            f"float32, {name}",
            "",
            "",
            f"{time.median:.2f}",
            f"{time.p99:.2f}",
            f"{from_c.median / time.median:.1f}",
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
            f"{from_c.median / time.median:.1f}",
            f"{dense.median / time.median:.1f}",
            f"{row.packed_bytes:,}",
            f"{full / row.packed_bytes:.1f}",
        )
    Console(width=140).print(table)


def print_targets(from_c: Latency, dense: Latency, rows: list[Row]) -> bool:
    """The promises, each on actors as they are exported."""
    full = synthetic.dense_float32_bytes(synthetic.mlp_actor(DELIVERED, 0.0, "float32"))
    exported = {(row.sparsity, row.path): row for row in rows if row.compacted}

    def median(sparsity: float, path: str) -> float:
        return exported[sparsity, path].latency.median

    def smaller(sparsity: float, path: str) -> float:
        return full / exported[sparsity, path].packed_bytes

    sparse = median(0.98, "integer"), median(0.98, "float32")
    checks = [
        ("98 %, integer: C against ONNX Runtime from C", from_c.median / sparse[0], 9),
        ("98 %, float32: C against ONNX Runtime from C", from_c.median / sparse[1], 9),
        ("98 %, integer: C against float32", sparse[1] / sparse[0], 1),
        ("98 %, slowest: C against dense C", dense.median / median(0.98, "int8"), 3),
        ("90 %, slowest: C against dense C", dense.median / median(0.9, "int8"), 1),
        (
            "98 %, integer: packed file against float32",
            smaller(0.98, "integer") / smaller(0.98, "float32"),
            1.3,
        ),
        ("98 %, int8: packed file against dense float32", smaller(0.98, "int8"), 60),
        ("99 %, int8: packed file against dense float32", smaller(0.99, "int8"), 100),
    ]
    for name, found, needed in checks:
        print(
            f"{'met ' if found >= needed else 'MISSED'}  {name:<48} "
            f"{found:7.1f}x  (at least {needed}x)"
        )
    return all(found >= needed for _, found, needed in checks)


def as_json(
    from_python: Latency, from_c: Latency, dense: Latency, rows: list[Row]
) -> dict[str, object]:
    """All figures, for the page of results."""
    return {
        "machine": f"{machine()['cpu']}, {_vectors()}, {platform.platform()}",
        "onnxruntime_from_python": vars(from_python),
        "onnxruntime_from_c": vars(from_c),
        "c_dense_float32": vars(dense),
        "actors": [{**vars(row), "latency": vars(row.latency)} for row in rows],
    }


def _vectors() -> str:
    """What decides how quick the dense int8 kernel is."""
    information = Path("/proc/cpuinfo")
    flags = information.read_text() if information.exists() else ""
    known = {"avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI", "avx2": "AVX2 without VNNI"}
    return next((name for flag, name in known.items() if f" {flag} " in flags), "no known vectors")


def forced_target(name: str, unrolled: float, terms: int, sparse: float) -> Target:
    """The host with densities that leave one kernel for every layer."""
    return replace(
        HOST,
        name=name,
        unrolled_density_float=unrolled,
        unrolled_density_integer=unrolled,
        unrolled_terms=terms,
        sparse_density_float=sparse,
        sparse_density_integer=sparse,
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
