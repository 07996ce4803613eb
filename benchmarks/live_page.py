"""The page in which policies of the model zoo play live.

    python -m benchmarks.live_page

Writes docs/live/index.html: Pendulum's policies with the one that compression has made of the same
dense ones and one that was pruned too far, CartPole's, each file with the return on its card; and
what compression has made of one policy of MinAtar Breakout.
It needs clang and wasm-ld. A test compares what is committed with the files, the cards and the
scripts, and plays it in a browser.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import zoo
from benchmarks.studies import RESULTS, ROOT
from sparse_rl.artifact import packed
from sparse_rl.play import page
from sparse_rl.play.levels import Level, Study, study
from sparse_rl.selection.table import estimate
from sparse_rl.summary.table import decimals_of, interval, number

PAGE = ROOT / "docs" / "live" / "index.html"
TASKS = ("pendulum", "cartpole")
COMPRESSED = "breakout_minatar_erk"
"""Its results/NAME/compressed/levels are candidates of one policy, each named as in the table."""
TOO_FAR = "0.98-int8.srl"
"""Of results/TASK_uniform, where there is that study: as many weights, the same density in every
layer, and everything lost."""


def studies() -> list[Study]:
    """All levels of the page, from what is kept in results/."""
    found = []
    for task in TASKS:
        folder, other = (RESULTS / name / "policies" for name in (task, f"{task}_uniform"))
        cards = zoo.read(folder)
        levels = [of_card(folder, card) for card in cards]
        compressed = RESULTS / task / "compressed"
        if (compressed / "actor.srl").is_file():
            levels.append(of_compression(compressed))
        if other.is_dir():
            (card,) = (card for card in zoo.read(other) if card.file == TOO_FAR)
            levels.append(replace(of_card(other, card), name=f"{card.variant}, uniform"))
        origin = f"files of results/{folder.parent.name}, seeds as on their cards"
        found.append(study(cards[0].environment, levels, origin))
    return [*found, of_candidates(RESULTS / COMPRESSED / "compressed")]


def of_card(folder: Path, card: zoo.Card) -> Level:
    """A file of the zoo; its return is of episodes by which nothing was chosen."""
    recorded = _recorded(card.mean, card.low, card.high, f"{card.episodes} episodes")
    name = "dense" if not card.verdict else card.variant
    return _level(name, folder / card.file, recorded, card.verdict)


def of_compression(folder: Path) -> Level:
    """What `compress` has delivered; the return is that of the candidate in all policies."""
    file = folder / "actor.srl"
    candidate = packed.load(file).provenance.variant
    row: Any = pd.read_csv(folder / "candidates.csv").set_index("candidate").loc[candidate]
    recorded = _recorded(row["return"], row["low"], row["high"], "the policies of all seeds")
    return _level(candidate, file, recorded, row["verdict"])


def of_candidates(folder: Path) -> Study:
    """Candidates of one policy with its own returns; the verdicts are those of all policies."""
    verdicts = pd.read_csv(folder / "candidates.csv").set_index("candidate")["verdict"]
    played = pd.read_csv(folder / "levels" / "returns.csv").groupby("candidate")["return"]
    levels = []
    for file in sorted((folder / "levels").glob("*.srl")):
        returns = played.get_group(file.stem).to_numpy()
        recorded = _recorded(*estimate(returns[None]), f"{len(returns)} episodes")
        levels.append(_level(file.stem, file, recorded, verdicts[file.stem]))
    about = levels[0].actor.provenance
    origin = f"files of {folder.relative_to(ROOT)}, seed {about.seed}"
    return study(about.environment, levels, origin)


def _level(name: str, file: Path, recorded: str, verdict: str) -> Level:
    return Level(name, packed.load(file), file.stat().st_size, recorded, verdict)


def _recorded(mean: float, low: float, high: float, of: str) -> str:
    places = decimals_of(abs(mean))
    return f"{number(mean, places)} ({interval(low, high, places)}; {of})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    page.write(studies(), PAGE)
    print(f"{PAGE.relative_to(ROOT)}: {PAGE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
