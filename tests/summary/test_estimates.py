import warnings

import numpy as np
import pytest
from scipy import stats

from sparse_rl.summary.estimates import (
    interquartile_mean,
    interquartile_mean_interval,
    paired_difference,
    probability_of_improvement,
    return_estimate,
    seeds_to_show_no_loss,
    unseen_share,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([1.0, 2.0, 9.0], 4.0),  # nothing cut below four
        ([0.0, 1.0, 2.0, 99.0], 1.5),
        ([-50.0, 1.0, 2.0, 3.0, 99.0], 2.0),
        ([-9e9, -9e9, 0, 1, 2, 3, 4, 5, 9e9, 9e9], 2.5),  # ten: the middle six
    ],
)
def test_interquartile_mean_by_hand(values: list[float], expected: float) -> None:
    assert interquartile_mean(np.array(values)[::-1]) == pytest.approx(expected)


def test_interval_matches_a_plain_loop_over_resamples() -> None:
    random = np.random.default_rng(1)
    values = random.normal(10, 3, 9)
    means = []
    for _ in range(20_000):
        sample = np.sort(random.choice(values, 9))
        means.append(sample[2:7].mean())
    expected = np.percentile(means, [2.5, 97.5])
    estimate = return_estimate(values)
    width = expected[1] - expected[0]
    # Two independent bootstraps; their ends differ by about 1 % of the width.
    assert estimate.low == pytest.approx(expected[0], abs=0.05 * width)
    assert estimate.high == pytest.approx(expected[1], abs=0.05 * width)


def test_interval_of_many_steps_is_that_of_each() -> None:
    values = np.random.default_rng(2).normal(size=(7, 3))
    low, high = interquartile_mean_interval(values, axis=0)
    one = return_estimate(values[:, 1])
    assert (low[1], high[1]) == pytest.approx((one.low, one.high))
    assert low.shape == high.shape == (3,)


@pytest.mark.parametrize("seeds", [1, 2])
def test_no_interval_from_one_or_two_seeds(seeds: int) -> None:
    values = np.arange(1.0, seeds + 1)
    assert return_estimate(values).value == values.mean()
    for estimate in (return_estimate(values), paired_difference(values, values + 1)):
        assert np.isnan(estimate.low) and np.isnan(estimate.high)


def test_identical_returns_give_an_interval_without_width() -> None:
    same = np.full(5, 500.0)
    assert return_estimate(same) == (500.0, 500.0, 500.0)
    assert paired_difference(same, same) == (0.0, 0.0, 0.0)


def test_differences_that_are_equal_but_for_rounding_warn_of_nothing() -> None:
    dense = np.array([0.1, 0.7, 0.3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate = paired_difference(np.array([0.3, 0.9, 0.5]), dense)
    assert estimate == pytest.approx((0.2, 0.2, 0.2))


def test_pairing_cancels_what_the_seeds_have_in_common() -> None:
    dense = np.array([0.0, 1000.0, 2000.0, 3000.0, 4000.0])
    arm = dense + np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    estimate = paired_difference(arm, dense)
    half_width = 2.776445 * np.sqrt(2.5 / 5)  # t quantile with 4 degrees of freedom
    assert estimate == pytest.approx((3, 3 - half_width, 3 + half_width), abs=1e-4)


def test_probability_of_improvement_counts_pairs() -> None:
    # Of 3 x 2 pairs: 2 > 1; 3 > 1; 3 = 3 counts half; the others lose.
    assert probability_of_improvement(np.array([0, 2, 3]), np.array([1, 3])) == pytest.approx(
        2.5 / 6
    )
    assert np.isnan(probability_of_improvement(np.array([]), np.array([1.0])))


@pytest.mark.parametrize("seeds", [3, 5, 10, 30])
def test_what_was_never_seen_may_still_happen(seeds: int) -> None:
    """The exact interval of a share, for none of so many."""
    interval = stats.binomtest(0, seeds).proportion_ci(0.95, "exact")
    assert unseen_share(seeds) == pytest.approx(interval.high)


@pytest.mark.parametrize(("effect", "needed"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_to_plan_for_are_those_of_tables_of_power(effect: float, needed: int) -> None:
    """One sample, t test, two-sided 5 %, power 80 %: what Cohen's tables and G*Power have."""
    sample = np.random.default_rng(0).normal(3.0, 1.0, 8)
    difference = paired_difference(sample, np.zeros(8))
    margin = effect * sample.std(ddof=1)
    assert seeds_to_show_no_loss(difference, 8, margin) == needed


def test_no_number_of_seeds_is_made_up() -> None:
    difference = paired_difference(np.array([0.0, 10.0, 20.0, 30.0, 40.0]), np.zeros(5))
    assert seeds_to_show_no_loss(difference, 5, 0.0) is None
    assert seeds_to_show_no_loss(difference, 5, 0.1) is None  # ten thousands
    assert seeds_to_show_no_loss(difference, 4, 10.0) is None  # so few say nothing of their spread
    assert seeds_to_show_no_loss(difference, 5, 1e6) == 3
