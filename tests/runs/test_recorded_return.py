"""When episodes contradict a recorded return: against draws, and by hand."""

import math

import numpy as np
import pytest

from sparse_rl.runs.recorded_return import RecordedReturn


def test_distance_by_hand() -> None:
    # s = 10, n = 4, m = 100: a standard error is 10 sqrt(0.26) = 5.099.
    recorded = RecordedReturn(mean=-100.0, spread=10.0, episodes=100)
    returns = np.array([-150.0, -152.0, -148.0, -150.0])
    assert recorded.distance(returns) == pytest.approx(50 / 5.0990195)
    assert recorded.contradicts(returns) and not recorded.contradicts(returns + 15)


@pytest.mark.parametrize("is_spread_known", [False, True])
@pytest.mark.parametrize("kind", ["normal", "exponential", "rare failures"])
def test_the_same_policy_is_hardly_ever_refused(kind: str, is_spread_known: bool) -> None:
    random = np.random.default_rng(0)
    draw = {
        "normal": lambda n: random.normal(-150, 80, n),
        "exponential": lambda n: random.exponential(20, n),
        "rare failures": lambda n: np.where(random.random(n) < 0.02, 10.0, 500.0),
    }[kind]
    refused = 0
    for _ in range(500):
        before = draw(100)
        known = float(np.std(before, ddof=1)) if is_spread_known else float("nan")
        refused += RecordedReturn(float(before.mean()), known, 100).contradicts(draw(10))
    assert refused <= 3, "at most 1 in 64 by the bound, far fewer in fact"


def test_another_policy_is_refused() -> None:
    random = np.random.default_rng(1)
    recorded = RecordedReturn(-130.7, float("nan"), 100)
    assert recorded.contradicts(random.normal(-1148, 100, 10))


@pytest.mark.parametrize(
    ("recorded", "returns"),
    [
        (RecordedReturn(math.nan, math.nan, 100), [1.0, 2.0, 3.0]),
        (RecordedReturn(500.0, math.nan, 100), [7.0]),
    ],
)
def test_where_nothing_can_be_said_nothing_is_refused(
    recorded: RecordedReturn, returns: list[float]
) -> None:
    assert not recorded.contradicts(np.array(returns))


def test_equal_returns_of_a_deterministic_game_are_compared_too() -> None:
    recorded = RecordedReturn(1.0, 0.0, 100)
    assert not recorded.contradicts(np.ones(10))
    assert recorded.contradicts(np.full(10, 0.9))


def test_two_recorded_episodes_say_nothing_of_their_spread() -> None:
    """A swing-up that failed in both, and then in neither: ten "standard errors" of chance."""
    recorded = RecordedReturn(mean=-1052.0, spread=40.0, episodes=2)
    assert not recorded.contradicts(np.array([-1568.0, -1569.0]))
    assert recorded._replace(episodes=50).contradicts(np.array([-1568.0, -1569.0]))
    assert recorded.contradicts(np.array([-1568.0, np.nan]))
