"""Measuring and printing, shared by all benchmarks: one command, one table, JSON beside it.

Compilation, warm-up and steady state are apart. Figures are medians over repeats, with the fastest
and the slowest; a machine that others use shows in the distance between them, and in the load
average that stands under every table.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console
from rich.table import Table

from sparse_rl import atomic_file
from sparse_rl.units import in_figures

Row = Mapping[str, Any]
SHORTEST_REPEAT = 0.02  # seconds; faster functions are called several times for each figure
PAGE_WIDTH = 140  # characters, where the output is not a terminal


class Timing(NamedTuple):
    """Seconds for one call, and what it took to get there.

    `processor` is the time of all cores together; it hardly changes when others use the machine.
    """

    compile: float
    first: float
    median: float
    fastest: float
    slowest: float
    processor: float
    repeats: int
    calls: int  # in one repeat


def seconds(call: Callable[[], Any]) -> float:
    """Of one call, until everything that it returns is there."""
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began


def measure(function: Callable[..., Any], *arguments: Any, repeats: int = 15) -> Timing:
    """Compile `function` for these arguments, call it once, then time `repeats` repeats.

    `function` is compiled here, with whatever `jax.jit` it already carries; its arguments stay
    valid, so it must not donate them (see `measure_steps`).
    """
    compiled, compile_seconds = _compile(function, *arguments)

    def run(calls: int) -> None:
        for _ in range(calls):
            output = compiled(*arguments)  # replaces, and so frees, the one before
        jax.block_until_ready(output)

    return _time(run, compile_seconds, repeats)


def measure_steps(step: Callable[[Any], Any], state: Any, repeats: int = 15) -> tuple[Timing, Any]:
    """As `measure`, for a `step` from a state to the next, which may donate it; and the last state.

    `step` is a training step with nothing but its state for an argument.
    """
    compiled, compile_seconds = _compile(step, state)
    latest = state

    def run(calls: int) -> None:
        nonlocal latest
        for _ in range(calls):
            latest = compiled(latest)
        jax.block_until_ready(latest)

    return _time(run, compile_seconds, repeats), latest


def _compile(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], float]:
    jitted: Any = function if hasattr(function, "lower") else jax.jit(function)
    start = time.perf_counter()
    compiled = jitted.lower(*arguments).compile()
    return compiled, time.perf_counter() - start


def _time(run: Callable[[int], None], compile_seconds: float, repeats: int) -> Timing:
    first = _seconds(run, 1)
    warm = _seconds(run, 1)
    calls = max(1, round(SHORTEST_REPEAT / warm))
    before = time.process_time()
    each = [_seconds(run, calls) / calls for _ in range(repeats)]
    processor = (time.process_time() - before) / (repeats * calls)
    return Timing(
        compile_seconds,
        first,
        statistics.median(each),
        min(each),
        max(each),
        processor,
        repeats,
        calls,
    )


def _seconds(run: Callable[[int], None], calls: int) -> float:
    start = time.perf_counter()
    run(calls)
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """What a figure was measured on: CPU, cores, load, devices, versions."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "devices": [device.device_kind for device in jax.devices()],
        "jax": jax.__version__,
        "python": platform.python_version(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def print_table(title: str, rows: Sequence[Row]) -> None:
    """One table, a column for each key of the first row, the machine under it."""
    table = Table(title=title, title_justify="left")
    for key, value in rows[0].items():
        table.add_column(key, justify="right" if isinstance(value, int | float) else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    console = Console(width=None if sys.stdout.isatty() else PAGE_WIDTH)
    console.print(table)
    here = machine()
    console.print(
        f"{here['cpu']}, {here['cores']} cores (load {here['load_average']}), "
        f"{len(here['devices'])} x {here['devices'][0]}, jax {here['jax']}, "
        f"python {here['python']}, {here['date']} {here['xla_flags']}".rstrip(),
        highlight=False,
    )


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return in_figures(value, 3)


def write_json(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Title, machine and rows as one JSON file, whole or not at all."""
    _write(path, {"title": title, "machine": machine(), "rows": [dict(row) for row in rows]})


def write_tables(path: Path, tables: Mapping[str, Sequence[Row]], **more: Any) -> None:
    """Machine, tables by their titles, and whatever belongs to them as one JSON file."""
    found = [{"title": title, "rows": list(rows)} for title, rows in tables.items()]
    _write(path, {"machine": machine(), "tables": found, **more})


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write_text(path, json.dumps(content, indent=1) + "\n")


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """The options every benchmark has: --json and --repeats."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the table there")
    parser.add_argument("--repeats", type=int, default=15, help="figures behind each median")
    return parser


def report(title: str, rows: Sequence[Row], json_path: Path | None) -> None:
    """Print the table and, if there is a path, write it."""
    print_table(title, rows)
    if json_path is not None:
        write_json(json_path, title, rows)
