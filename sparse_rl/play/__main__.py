"""python -m sparse_rl.play RUN | ACTOR [ACTOR ...] [--out FILE.html]: they play in a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sparse_rl import extras

with extras.needed_by("play", __name__):
    from sparse_rl.config import program
    from sparse_rl.runs import layout

if TYPE_CHECKING:
    from sparse_rl.play.levels import Study


def main(
    what: Annotated[tuple[Path, ...], program.POSITIONAL],
    out: Path | None = None,
    seed: str = "median",
    arm: tuple[str, ...] = (),
    env: str = "",
) -> None:
    """Write a page in which actors play live, with one slider over them.

    Pendulum, CartPole and MinAtar's Breakout; the page works offline. Needs clang and wasm-ld.

    Args:
        what: a finished run's directory; or exported actors (.srl), also of several environments.
        out: the page; by default RUN/report/play.html, where the report links it, or play.html
            beside the first actor.
        seed: of a run: which policies, a number, or "median": those that the run's film shows.
        arm: of a run: which variants; by default all.
        env: of actors: the environment; by default the one that each was trained in.
    """
    target = out or default_place(what)
    if target.suffix != ".html":
        raise ValueError(f"--out: found {target}; allowed are names that end in .html")
    from sparse_rl.artifact import wasm

    wasm.check_tools()
    from sparse_rl.play import page

    studies = gathered(what, seed, arm, env)
    page.write(studies, target)
    for study in studies:
        print(f"{study.environment}: {len(study.levels)} levels, {study.origin}")
        for level in study.levels:
            print(f"  {level.size:>7,} bytes  {level.name}")
    print(f"{target}: {target.stat().st_size:,} bytes")


def gathered(what: Sequence[Path], seed: str, arm: Sequence[str], env: str) -> list[Study]:
    """The studies that the words name.

    Raises ValueError, one line, where they are neither one run nor packed actors.
    """
    from sparse_rl.play.levels import MEDIAN, of_files, of_run
    from sparse_rl.runs.run import Run

    for path in what:
        if not path.exists():
            raise ValueError(f"{path}: no such file; needed is a run directory, or .srl files")
    folders = [path for path in what if path.is_dir()]
    if folders:
        if len(what) > 1:
            raise ValueError(f"{folders[0]}: a directory among others; allowed: one, alone")
        if env:
            raise ValueError(f"--env: found {env}; allowed: none, a run has its own")
        return [of_run(Run(what[0]), seed, arm)]
    if arm or seed != MEDIAN:
        raise ValueError("--arm and --seed: of a run only; found .srl files")
    return of_files(what, env)


def default_place(what: Sequence[Path]) -> Path:
    """Where the page goes if nothing is said."""
    first = what[0]
    return (first / layout.REPORT if first.is_dir() else first.parent) / layout.PLAYED_LIVE


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "play", arguments)


if __name__ == "__main__":
    run()
