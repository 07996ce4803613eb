"""python -m sparse_rl.join RUN RUN ... --out RUN: runs of one experiment, all their seeds in one.

python -m sparse_rl.train sac_pendulum --seeds 5 --out runs/a
python -m sparse_rl.train sac_pendulum --seeds 5 --first_seed 5 --out runs/b
python -m sparse_rl.join runs/a runs/b --out runs/ab
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from sparse_rl import extras

with extras.needed_by("join", __name__):
    from sparse_rl.config import program


def main(runs: Annotated[tuple[Path, ...], program.POSITIONAL], out: Path) -> Any:
    """Join finished runs of one experiment that differ in their seeds: into one run with all.

    For seeds that were trained in several nights or on several machines. The joined directory is a
    run like others: report, export, compress and evaluate take it.

    Args:
        runs: run directories whose seeds follow each other, such as 0 to 4 and 5 to 9.
        out: the joined run's directory, which must be new.
    """
    if len(runs) < 2:
        raise ValueError(f"RUN: found {len(runs)}; allowed: two or more run directories")
    # Imported here, so that --help and a mistyped option answer at once. It returns the `Run`.
    from sparse_rl.console import console
    from sparse_rl.runs.joining import join
    from sparse_rl.summary.table import terminal_table

    joined = join(runs, out)
    seeds = joined.config.seed_numbers
    shown = console()
    shown.print(terminal_table(joined.summary(), joined.config.environment, shown.width))
    shown.print(
        f"seeds {seeds.start} to {seeds.stop - 1} of {len(runs)} runs: {out}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    return joined


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "join", arguments)


if __name__ == "__main__":
    run()
