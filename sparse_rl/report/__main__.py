"""python -m sparse_rl.report RUN [RUN ...] [--out DIRECTORY] [--margin RETURN]: table and page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from sparse_rl import extras

with extras.needed_by("report", __name__):
    from sparse_rl.config import program
    from sparse_rl.config.fields import NonNegative
    from sparse_rl.runs import layout


def main(
    runs: Annotated[tuple[Path, ...], program.POSITIONAL],
    out: Path | None = None,
    margin: NonNegative | None = None,
) -> None:
    """Print the final table of each run and write the page and its figures.

    Several runs get a page each, and before them one that compares them. Of several, as of runs/*,
    what is no run directory is left out, in a line.

    Args:
        runs: run directories (with config.yaml and metrics.csv).
        out: where index.html and figures/ go; by default RUN/report for one run, else report.
        margin: a loss of return smaller than this counts as none; by default 5 % of the distance
            between the dense return and that of acting at random.
    """
    # Imported here, so that --help and a mistyped option answer at once.
    from rich.markup import escape

    from sparse_rl.atomic_file import check_folder
    from sparse_rl.console import console
    from sparse_rl.report.findings import analyse
    from sparse_rl.report.page import write_page
    from sparse_rl.report.sentences import criterion, no_loss
    from sparse_rl.runs.run import Run
    from sparse_rl.summary.table import terminal_table

    runs = chosen(runs)
    directory = out or (runs[0] / layout.REPORT if len(runs) == 1 else Path("report"))
    check_folder(directory)  # before anything is printed
    findings = [analyse(Run(path), margin) for path in runs]
    shown = console()
    for one in findings:
        if one.table is None:
            shown.print(f"{one.run.path}: not finished, no final table yet\n")
            continue
        title = f"{one.run.settings.get('environment', one.run.name)}"
        if len(findings) > 1:  # several may be of one environment
            title = escape(f"{one.run.path}: {title}")
        shown.print(terminal_table(one.table, title, shown.width))
        for sentence in [*no_loss(one.table), criterion(one.margin, one.table, one.longer)]:
            if str(sentence):
                shown.print(str(sentence), highlight=False)
        shown.print()
    shown.print(f"{write_page(findings, directory)}", highlight=False, soft_wrap=True, markup=False)


def chosen(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The run directories; of several paths that exist, those that are none are named and left out.

    Raises ValueError where none is left.
    """
    if len(paths) == 1:
        return tuple(paths)
    others = [path for path in paths if path.exists() and not (path / layout.CONFIG).is_file()]
    for path in others:
        print(f"{path}: left out: no run directory, it has no {layout.CONFIG}", file=sys.stderr)
    left = tuple(path for path in paths if path not in others)
    if not left:
        raise ValueError(f"RUN: found {len(paths)}, none of them a run directory; needed is one")
    return left


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "report", arguments)


if __name__ == "__main__":
    run()
