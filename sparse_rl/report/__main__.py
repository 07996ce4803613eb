"""python -m sparse_rl.report RUN [RUN ...] [--out DIRECTORY] [--margin RETURN]: table and page."""

from __future__ import annotations

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

    Args:
        runs: run directories (with config.yaml and metrics.csv).
        out: where index.html and figures/ go; by default RUN/report for one run, else report.
        margin: a loss of return smaller than this counts as none; by default 5 % of the distance
            between the dense return and that of acting at random.
    """
    if not runs:
        raise ValueError("RUN: none given; needed is at least one run directory")
    if margin is not None and not margin >= 0:
        raise ValueError(f"--margin: found {margin:g}; allowed: a number, 0 or more")
    # Imported here, so that --help and a mistyped option answer at once.
    from rich.console import Console

    from sparse_rl.report.findings import analyse
    from sparse_rl.report.page import write_page
    from sparse_rl.report.sentences import criterion, no_loss
    from sparse_rl.runs.run import Run
    from sparse_rl.summary.table import terminal_table

    findings = [analyse(Run(path), margin) for path in runs]
    console = Console()
    for one in findings:
        if one.table is None or one.margin is None:
            console.print(f"{one.run.path}: not finished, no final table yet\n")
            continue
        console.print(
            terminal_table(one.table, f"{one.run.settings.get('environment', one.run.name)}")
        )
        for sentence in [*no_loss(one.table), criterion(one.margin)]:
            if str(sentence):
                console.print(str(sentence), highlight=False)
        console.print()
    directory = out or (runs[0] / layout.REPORT if len(runs) == 1 else Path("report"))
    console.print(
        f"{write_page(findings, directory)}", highlight=False, soft_wrap=True, markup=False
    )


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "report", arguments)


if __name__ == "__main__":
    run()
