"""Estimates over seeds, with intervals: of one variant's return and of its distance from dense.

The interquartile mean and its bootstrap interval follow Agarwal et al. 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice". One run has one task, so their stratified
bootstrap (resampling seeds within each task) is the plain bootstrap over seeds.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 10_000
FEWEST_SEEDS = 3
"""With fewer seeds no interval is given: one or two values say nothing of their spread."""
FEWEST_FOR_SPREAD = 5
"""With fewer their spread is not known to a factor of three."""
MOST_SEEDS = 1_000
"""No study is planned with more."""
POWER = 0.8
"""The share of studies in which what is true is to be shown."""


class Estimate(NamedTuple):
    """A statistic with the ends of its 95 % interval (nan where there are too few seeds)."""

    value: float
    low: float
    high: float


def interquartile_mean(values: ArrayLike, axis: int = 0) -> np.ndarray:
    """Mean of the middle half: the floor(n/4) smallest and largest values are left out.

    For n not divisible by 4 whole values are cut, none is weighted: of 10 values the middle 6
    count, of 5 the middle 3; of 3 or fewer none is cut, and it is the mean.
    """
    return np.asarray(stats.trim_mean(np.asarray(values, float), 0.25, axis=axis))


def interquartile_mean_interval(
    values: ArrayLike, axis: int = 0, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap interval (low, high) of the interquartile mean over seeds.

    The seeds are `axis`; other axes (say, steps) are treated at once, with the same resamples.
    The random numbers are fixed. nan below three seeds. Of few seeds such an interval is too
    narrow: of three it is from the lowest to the highest, which holds the median in 75 % of cases;
    of normal returns it holds the truth in 76 % with three, 90 % with five and 93 % with ten seeds
    (`benchmarks.verdicts`).
    """
    array = np.moveaxis(np.asarray(values, float), axis, -1)
    if array.shape[-1] < FEWEST_SEEDS:
        nothing = np.full(array.shape[:-1], np.nan)
        return nothing, nothing
    result = stats.bootstrap(
        (array,),
        interquartile_mean,
        axis=-1,
        n_resamples=resamples,
        batch=max(1, 4_000_000 // max(1, array.size)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return np.asarray(result.confidence_interval.low), np.asarray(result.confidence_interval.high)


def return_estimate(returns: Float[np.ndarray, " seeds"]) -> Estimate:
    """Interquartile mean of the returns with its bootstrap interval; nan for no seeds."""
    if len(returns) == 0:
        return Estimate(np.nan, np.nan, np.nan)
    low, high = interquartile_mean_interval(returns)
    return Estimate(float(interquartile_mean(returns)), float(low), float(high))


def paired_difference(
    variant: Float[np.ndarray, " seeds"], dense: Float[np.ndarray, " seeds"]
) -> Estimate:
    """Mean over seeds of (variant - dense), each seed against itself, with Student's t interval.

    The variants of a seed share their dense phase and their random numbers, so much of the variance
    between seeds cancels. It is the mean and not the interquartile mean, which would leave
    a seed that collapsed out of account; and Student's interval, because at 3 to 10 seeds
    a percentile bootstrap of a mean is too narrow to base a claim of "no loss" on.
    """
    difference = np.asarray(variant, float) - np.asarray(dense, float)
    if len(difference) == 0:
        return Estimate(np.nan, np.nan, np.nan)
    mean = float(difference.mean())
    if len(difference) < FEWEST_SEEDS:
        return Estimate(mean, np.nan, np.nan)
    if np.ptp(difference) == 0:
        return Estimate(mean, mean, mean)
    low, high = stats.t.interval(CONFIDENCE, len(difference) - 1, mean, stats.sem(difference))
    return Estimate(mean, float(low), float(high))


def seeds_to_show_no_loss(difference: Estimate, seeds: int, margin: float) -> int | None:
    """With how many seeds a variant that loses nothing is called "not worse" in `POWER` of studies.

    The smallest n with P(T > t(0.975, n - 1)) >= 0.8, where T is noncentral t with n - 1 degrees of
    freedom and margin sqrt(n) / s: the power of the test of non-inferiority if nothing is lost and
    differences spread as these do. None where it is above `MOST_SEEDS`, for a margin of 0, and
    where there are too few seeds to say how they spread.

    Args:
        difference: from dense, with its Student interval, which s is taken from.
        seeds: how many it is of.
    """
    if seeds < FEWEST_FOR_SPREAD or margin <= 0:
        return None
    half = difference.value - difference.low
    spread = half * np.sqrt(seeds) / stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)

    def shows(count: int) -> bool:
        reach = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
        return bool(stats.nct.sf(reach, count - 1, margin * np.sqrt(count) / spread) >= POWER)

    found = FEWEST_SEEDS + bisect.bisect_left(range(FEWEST_SEEDS, MOST_SEEDS + 1), True, key=shows)
    return found if found <= MOST_SEEDS else None


def unseen_share(seeds: int) -> float:
    """The largest share of trainings that may collapse though none of so many seeds has.

    1 - 0.025^(1/seeds), the upper end of Clopper and Pearson's 95 % interval of a share of which
    nothing was seen.
    """
    return float(1 - ((1 - CONFIDENCE) / 2) ** (1 / seeds))


def probability_of_improvement(
    variant: Float[np.ndarray, " seeds"], dense: Float[np.ndarray, " seeds"]
) -> float:
    """P(variant > dense) + P(variant = dense)/2 for one seed of each, drawn independently.

    Mann and Whitney's U over the number of pairs (Agarwal et al. 2021, section 4.3). It is 1/2
    where the two cannot be told apart; nan where one has no seeds.
    """
    if len(variant) == 0 or len(dense) == 0:
        return float("nan")
    return float(stats.mannwhitneyu(variant, dense).statistic / (len(variant) * len(dense)))
