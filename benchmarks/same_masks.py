"""What int8 costs and brings at equal masks: every arithmetic of a run's policies, side by side.

    python -m benchmarks.same_masks runs/pendulum --csv results/pendulum/arithmetics/costs.csv

The policies are those of a finished run whose `quantization.modes` are to be compared; an int8
variant has the masks of the float32 one that it continues from. Each policy is compacted, packed,
and compiled as it is delivered. The time is a median of single calls from C, taken of all variants
of a seed one after the other; instructions are counted by valgrind on the baseline instruction set,
and by QEMU on a Cortex-M4F. All are medians over seeds. What is not installed leaves its column
empty.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import microcontroller
from sparse_rl import atomic_file
from sparse_rl.artifact import reference
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.cost import instructions, latency
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor, to_bytes
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.runs.run import Run

EPISODES, OBSERVATIONS, EMULATED = 5, 1000, 30
DIFFERENCE = ("difference", "difference_low", "difference_high")


class Cost(NamedTuple):
    """Of one policy, or medians over several; nan where something is not installed."""

    bytes: float
    microseconds: float
    instructions: float
    microcontroller_instructions: float
    microcontroller_flash: float
    microcontroller_stack: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    run = Run(arguments.run)
    rows = list(measured(run))
    Console(width=140).print(table(rows))
    print(f"{platform.machine()}, {platform.processor() or platform.system()}")
    if arguments.csv:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["variant", "return", "low", "high", *Cost._fields])
        writer.writerows([name, *returns, *cost] for name, returns, cost in rows)
        atomic_file.write_text(arguments.csv, text.getvalue())


def measured(run: Run) -> Iterator[tuple[str, tuple[float, float, float], Cost]]:
    """(variant, difference of its return from dense with its interval, medians of its costs)."""
    environment = make(run.config.environment, evaluation=True)
    names = run.finished
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for seed in run.config.seed_numbers:
        for name in names:
            packed = run.packed(name, seed, environment.spec)
            graph = compact(packed.graph)
            act = functools.partial(reference.act, graph)
            played = play(act, environment, EPISODES, seed, keep=OBSERVATIONS)
            costs[name].append(cost_of(graph, packed, played.observations))
    summary = run.summary().set_index("variant")
    for name in names:
        row: Any = summary.loc[name]
        difference, low, high = (float(row[column]) for column in DIFFERENCE)
        median = np.median(np.array(costs[name]), axis=0)
        yield name, (difference, low, high), Cost(*median.tolist())


def cost_of(graph: Graph, packed: PackedActor, observations: NDArray) -> Cost:
    """Bytes, time and instructions of one compacted policy."""
    source = generate(graph)
    counted = instructions.count(source, observations)
    emulated = (float("nan"),) * 3
    if not microcontroller.missing_tools():
        report = microcontroller.run(graph, observations[:EMULATED])
        emulated = (report.instructions, float(report.flash_actor), float(report.ram_stack))
    return Cost(
        len(to_bytes(PackedActor(graph, packed.provenance))),
        latency.of_source(source, observations).median,
        counted.per_action if counted else float("nan"),
        *emulated,
    )


def table(rows: list[tuple[str, tuple[float, float, float], Cost]]) -> Table:
    """A line for each variant."""
    drawn = Table(title="medians over seeds", box=None)
    drawn.add_column("variant")
    headings = (
        "- dense",
        "95 %",
        "bytes",
        "us in C",
        "instructions",
        "M4F instr.",
        "flash",
        "stack",
    )
    for heading in headings:
        drawn.add_column(heading, justify="right")
    for name, (difference, low, high), cost in rows:
        drawn.add_row(
            name,
            f"{difference:+.3g}" if np.isfinite(difference) else "-",
            f"{low:+.3g}..{high:+.3g}" if np.isfinite(low) else "-",
            f"{cost.bytes:,.0f}",
            f"{cost.microseconds:.3f}",
            *(f"{value:,.0f}" for value in cost[2:]),
        )
    return drawn


if __name__ == "__main__":
    main()
