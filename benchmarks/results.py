"""The page of all figures, from the JSON files that the benchmarks have written.

    python -m benchmarks.results        # writes benchmarks/RESULTS.md

Nothing on the page is typed: run a benchmark with its `--json`, then this. A benchmark that has not
been run has its command there and no table. Any other file in results/benchmarks that
`benchmarks.harness.write_json` has made gets a table too.
"""

import argparse
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sections import SECTIONS, Row, Section
from sparse_rl.units import in_figures

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGE = ROOT / "benchmarks" / "RESULTS.md"

_RATIO = re.compile(r"\b(ratio|share|against|faster|fewer|times|aim|met|lowest|highest|x)\b")

INTRODUCTION = """\
# Results

Made by `python -m benchmarks.results` from the files in `results/`: do not edit. Ratios stand
first; they are what carries over to another machine. Absolute figures belong to the machine and the
load that stand under each table, and say little about another one. What was predicted, and what did
not help, is in [NOTES.md](NOTES.md)."""


def page(results: Path) -> str:
    """The whole page. Raises ValueError, in one line, for a file that is not a benchmark's."""
    known = {section.file for section in SECTIONS}
    others = [
        Section(path.stem.replace("_", " "), f"{path.parent.name}/{path.name}", "")
        for path in sorted([*results.glob("benchmarks/*.json"), *results.glob("gpu/*.json")])
        if f"{path.parent.name}/{path.name}" not in known
    ]
    parts = [INTRODUCTION]
    for section in (*SECTIONS, *others):
        parts += part(section, results / section.file)
    return "\n\n".join(parts) + "\n"


def part(section: Section, path: Path) -> Iterator[str]:
    """A heading, the command, and, where there are figures, the tables and what they were made on.

    A file holds either one table or, in a list `tables`, several.
    """
    yield f"## {section.title}"
    if section.text:
        yield section.text
    if not path.exists():
        yield f"Not measured yet. Made by\n\n    {section.command}"
        return
    if section.command:
        yield f"    {section.command}"
    content = _read(path)
    for title, rows in section.tables(content).items():
        if title:
            yield f"### {title}"
        yield markdown(ratios_first(rows))
    yield from section.notes(content)
    yield f"{machine_line(content.get('machine'))} File: `results/{section.file}`."


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}; allowed: what a benchmark has written") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: found a {type(content).__name__}; allowed: an object")
    return content


def machine_line(machine: Any) -> str:
    """What the figures were measured on, as one sentence."""
    if not isinstance(machine, Mapping):
        return f"Made on {machine}." if machine else ""
    words = []
    if "cpu" in machine:
        words.append(f"{machine['cpu']}, {machine['cores']} cores (load {machine['load_average']})")
    if devices := machine.get("devices"):
        words.append(f"{len(devices)} x {devices[0]}")
    words += [f"{name} {machine[name]}" for name in ("jax", "python") if name in machine]
    words += [machine["date"]] if "date" in machine else []
    return f"Made on {'; '.join(words)}."


def ratios_first(rows: Sequence[Row]) -> list[Row]:
    """Columns of words first, as names of a row; then ratios; then everything else."""
    if not rows:
        return []
    columns = list(dict.fromkeys(key for row in rows for key in row))

    def place(column: str) -> int:
        if _RATIO.search(column):
            return 1
        words = all(isinstance(row.get(column, ""), str | bool) for row in rows)
        return 0 if words or column == columns[0] else 2

    ordered = sorted(columns, key=place)
    return [{column: row.get(column, "") for column in ordered} for row in rows]


def markdown(rows: Sequence[Row]) -> str:
    """A table; numbers to the right."""
    if not rows:
        return "(no rows)"
    columns = list(rows[0])
    sides = [
        "---:" if any(_is_number(row[column]) for row in rows) else ":---" for column in columns
    ]
    lines = [columns, sides, *([text(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(value: Any) -> str:
    """A cell: three figures, thousands apart; nothing for what is not there."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, list | tuple):
        return " ".join(text(each) for each in value)
    if not _is_number(value):
        return str(value).replace("|", "\\|").replace("\n", " ")
    return in_figures(value, 3)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    written = page(RESULTS)
    temporary = PAGE.with_name(f".{PAGE.name}.partial")
    temporary.write_text(written)
    temporary.replace(PAGE)
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
