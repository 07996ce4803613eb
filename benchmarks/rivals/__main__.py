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
from pathlib import Path

from benchmarks.harness import print_table, write_tables
from benchmarks.rivals.board import board
from benchmarks.rivals.case import NotRun, Row, random_case, trained
from benchmarks.rivals.host import host


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
        not_run = {one.runtime: one.why for one in absent}
        write_tables(options.json, tables, not_run=not_run)


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


if __name__ == "__main__":
    main()
