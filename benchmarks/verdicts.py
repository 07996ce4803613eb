"""How often an interval holds the truth and a verdict is wrong, by drawn studies of known truth.

    python -m benchmarks.verdicts [--studies 10000] [--json results/benchmarks/verdicts.json]

What dense gained is 1, so the margin is 0.05. A seed's difference from itself dense is normal, with
a standard deviation of 0.1; or it collapses: a share of trainings loses everything, the others
nothing. Intervals and verdicts are those of `summary`, study by study.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from benchmarks.harness import print_table, write_tables
from sparse_rl.summary.estimates import interquartile_mean_interval, paired_difference
from sparse_rl.summary.final_table import MARGIN_FRACTION, NOT_WORSE, WORSE, verdict

TITLE, SEVERAL = "How far a verdict can be trusted", "Seeds added until it is decided"
LEVELS = "Several levels, ten seeds"
SEEDS = (3, 5, 10, 20, 30)
SPREAD = 0.1
RESAMPLES = 1_000
Draw = Callable[[np.random.Generator, tuple[int, int]], Float[np.ndarray, "studies seeds"]]


def normal(loss: float) -> Draw:
    """Every seed loses `loss`, give or take."""
    return lambda random, shape: random.normal(-loss, SPREAD, shape)


def collapses(share: float) -> Draw:
    """A share of seeds loses everything, the others nothing but a hundredth, give or take."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Float[np.ndarray, "..."]:
        return np.where(random.random(shape) < share, -1.0, random.normal(0, 0.01, shape))

    return draw


def verdicts(differences: Float[np.ndarray, "studies seeds"]) -> list[str]:
    """Of each study."""
    found = []
    for own in differences:
        estimate = paired_difference(own, np.zeros_like(own))
        found.append(verdict(estimate.low, estimate.high, MARGIN_FRACTION))
    return found


def after_looks(
    differences: Float[np.ndarray, "studies seeds"], looks: Sequence[int], wrong: str
) -> float:
    """The share of studies that end in `wrong` where seeds are added until something is decided."""
    ended = 0
    for own in differences:
        for count in looks:
            (found,) = verdicts(own[None, :count])
            if found in (NOT_WORSE, WORSE):
                ended += found == wrong
                break
    return ended / len(differences)


def coverage(random: np.random.Generator, studies: int, seeds: int) -> float:
    """How often the interval of an interquartile mean of normal returns holds their mean, 0."""
    low, high = interquartile_mean_interval(
        random.normal(0, 1, (studies, seeds)), axis=1, resamples=RESAMPLES
    )
    return float(np.mean((low <= 0) & (high >= 0)))


def rows(studies: int) -> Iterator[dict[str, object]]:
    """A row for each question; its columns are numbers of seeds."""

    def row(what: str, each: Callable[[np.random.Generator, int], float]) -> dict[str, object]:
        random = np.random.default_rng(0)
        return {"share of studies in which": what} | {f"{n} seeds": each(random, n) for n in SEEDS}

    def share(draw: Draw, wanted: str) -> Callable[[np.random.Generator, int], float]:
        return lambda random, n: float(
            np.mean(np.array(verdicts(draw(random, (studies, n)))) == wanted)
        )

    yield row(
        "the interval of a return (normal) holds the truth",
        lambda random, n: coverage(random, studies // 5, n),
    )
    for draw, truth in (
        (normal(0.0), "nothing is lost"),
        (normal(0.05), "one margin is lost (normal)"),
        (normal(0.1), "two margins are lost (normal)"),
        (collapses(0.05), "one of 20 trainings collapses"),
        (collapses(0.1), "one of ten trainings collapses"),
        (collapses(0.2), "one of five trainings collapses"),
    ):
        yield row(f"{truth}: not worse", share(draw, NOT_WORSE))
    yield row("nothing is lost: worse", share(normal(0.0), WORSE))


def looked_at(studies: int) -> Iterator[dict[str, object]]:
    """The same where seeds are added until it is decided."""
    for looks in ((10,), (10, 20), (10, 20, 30), (3, 5, 10, 20)):
        shape = (studies, looks[-1])
        lost = normal(0.05)(np.random.default_rng(1), shape)
        equal = normal(0.0)(np.random.default_rng(2), shape)
        yield {
            "looked at with so many seeds": ", ".join(map(str, looks)),
            "one margin is lost: not worse": after_looks(lost, looks, NOT_WORSE),
            "nothing is lost: worse": after_looks(equal, looks, WORSE),
        }


def of_levels(studies: int) -> Iterator[dict[str, object]]:
    """What is claimed of the sparsest of several levels, each by itself and in order, ten seeds.

    Levels of a seed have dense in common: half of a difference's variance.
    """

    def claimed(loss: float, spread: float, levels: int) -> Bool[np.ndarray, "studies levels"]:
        random = np.random.default_rng(levels)
        dense, own = (
            random.normal(0, spread / np.sqrt(2), (studies, each, 10)) for each in (1, levels)
        )
        found = verdicts((own - dense - loss).reshape(-1, 10))
        return (np.array(found) == NOT_WORSE).reshape(studies, levels)

    for levels in (1, 2, 3, 5, 10):
        lost = claimed(MARGIN_FRACTION, SPREAD, levels)
        row: dict[str, object] = {
            "levels": levels,
            "all lose one margin: any claimed": float(lost.any(1).mean()),
            "any, in order": float(lost[:, 0].mean()),
        }
        for spread in (0.03, 0.05):
            equal = claimed(0.0, spread, levels)
            row |= {
                f"none loses, spread {spread}: sparsest claimed": float(equal[:, -1].mean()),
                f"sparsest, in order, {spread}": float(equal.all(1).mean()),
            }
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the tables there")
    parser.add_argument("--studies", type=int, default=10_000, help="drawn for each number")
    words = parser.parse_args()
    found, looks = list(rows(words.studies)), list(looked_at(words.studies))
    levels = list(of_levels(words.studies))
    print_table(TITLE, found)
    print_table(SEVERAL, looks)
    print_table(LEVELS, levels)
    if words.json is not None:
        tables = {TITLE: found, SEVERAL: looks, LEVELS: levels}
        write_tables(words.json, tables, title=TITLE, studies=words.studies)


if __name__ == "__main__":
    main()
