"""The table of candidates against SciPy and by hand."""

import numpy as np
import pytest
from scipy import stats

from sparse_rl.selection import table
from sparse_rl.selection.table import ORIGINAL, Size, estimate, margin_of, smallest, table_of

RANDOM = np.random.default_rng(0)
BASE = RANDOM.normal(100, 5, (10, 20))
SIZES = {
    ORIGINAL: Size(1000, 4000, 2.0),
    "a": Size(100, 400, 0.5),
    "b": Size(50, 300, 0.4),
    "c": Size(20, 100, 0.1),
    "d": Size(10, 50, 0.1),
}


def rows(policies):
    base = BASE[:policies]
    broken = base.copy()
    broken[0, 0] = np.nan
    returns = {
        ORIGINAL: base,
        "a": base - 1 + 0.1 * RANDOM.standard_normal(base.shape),
        "b": base + 0.5 * RANDOM.standard_normal(base.shape),
        "c": base - 50 + 0.1 * RANDOM.standard_normal(base.shape),
        "d": broken,
    }
    found = table_of(returns, SIZES, 4.0, {"a": "prune"})
    return returns, found.set_index("candidate")


def test_over_policies():
    returns, found = rows(10)
    gaps = (returns["a"] - returns[ORIGINAL]).mean(axis=1)
    interval = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found.loc["a", "difference"], gaps.mean())
    np.testing.assert_allclose(
        found.loc["a", ["difference_low", "difference_high"]].astype(float), interval
    )
    np.testing.assert_allclose(
        found.loc["a", "return"], stats.trim_mean(returns["a"].mean(axis=1), 0.25)
    )


def test_over_starts_where_there_are_two_policies():
    """Both meet each start: they are one pair."""
    returns, found = rows(2)
    gaps = (returns["b"] - returns[ORIGINAL]).mean(axis=0)
    interval = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    np.testing.assert_allclose(
        found.loc["b", ["difference_low", "difference_high"]].astype(float), interval
    )
    assert len(gaps) == 20 and table.unit_of(2) == "starts, means of 2 policies"


def test_over_episodes_where_there_is_one_policy():
    returns, found = rows(1)
    gaps = (returns["b"] - returns[ORIGINAL]).ravel()
    interval = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    np.testing.assert_allclose(
        found.loc["b", ["difference_low", "difference_high"]].astype(float), interval
    )
    np.testing.assert_allclose(found.loc["b", "return"], returns["b"].mean())
    assert table.unit_of(1) == "episodes of one policy"
    assert table.unit_of(10) == "10 policies"


@pytest.mark.parametrize("policies", [1, 10])
def test_verdicts_and_order(policies):
    _, found = rows(policies)
    assert list(found.index) == [ORIGINAL, "d", "c", "b", "a"]
    assert list(found["verdict"]) == ["", "failed", "worse", "not worse", "not worse"]
    assert smallest(found.reset_index()) == "b"
    assert found.loc["d", "failed"] == 1 and np.isnan(found.loc["d", "return"])
    assert found.loc["a", "family"] == "prune"


def test_of_one_size_the_better_is_chosen_whatever_the_clock_said():
    _, found = rows(10)
    tied = found.assign(bytes=300, microseconds=[1.0, 1.0, 1.0, 0.2, 0.1])
    gaps = tied["difference"].where(tied["verdict"] == "not worse")
    assert smallest(tied.reset_index()) == gaps.idxmax()
    swapped = tied.assign(microseconds=[1.0, 1.0, 1.0, 0.1, 0.2])
    assert smallest(swapped.reset_index()) == gaps.idxmax()


def test_nothing_is_chosen_where_all_are_worse():
    _, found = rows(10)
    assert smallest(found.loc[[ORIGINAL, "c", "d"]].reset_index()) is None


def test_margin():
    assert margin_of(np.full((3, 4), -150.0), -1200.0) == pytest.approx(52.5)
    assert margin_of(np.full((3, 4), -1300.0), -1200.0) == 0  # nothing was gained


def test_two_episodes_say_nothing():
    assert np.isnan(estimate(np.array([[1.0, 2.0]])).low)
    assert estimate(np.array([[1.0, 2.0]])).value == 1.5
