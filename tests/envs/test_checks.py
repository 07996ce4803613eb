"""What is found in good environments, and each mistake in those that have it."""

import tracemalloc

import numpy as np
import pytest

from sparse_rl.envs.checks import Finding, Played, check, finished, of_observations
from sparse_rl.envs.failure import EnvironmentFailure
from sparse_rl.spaces import Outcome

pytest.importorskip("gymnasium")

from tests.envs.own_environments import (
    Infinite,
    Old,
    Raises,
    Remembers,
    Shape,
    Unseeded,
    name,
)


def of(kind: str, findings: list[Finding]) -> str:
    return "\n".join(finding.text for finding in findings if finding.kind == kind)


@pytest.mark.parametrize(
    "environment", ["gymnasium/CartPole-v1", "gymnax/Pendulum-v1?time_limit=30"]
)
def test_nothing_is_wrong_with_good_ones(environment: str) -> None:
    findings = list(check(environment, episodes=2))
    assert not of("wrong", findings)
    told = of("ok", findings)
    for text in ("observations: finite", "rewards: finite", "same seed", "another simulator"):
        assert text in told
    assert ("on the host" in told) == environment.startswith("gymnasium")


def test_the_length_and_return_of_random_play_is_told() -> None:
    told = of("ok", list(check("gymnasium/CartPole-v1?time_limit=15", episodes=2)))
    line = next(line for line in told.splitlines() if line.startswith("episodes"))
    assert "to 15 steps, the limit is 15" in line  # a reward of one each step, so:
    assert 9 <= float(line.split("earns ")[1].split()[0]) <= 15


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Unseeded, ["same seed gave other episodes, at the start", "in the middle"]),
        (Remembers, ["the same seed gave other episodes, after 1 step"]),
        (Infinite, ["observations: not finite after 10 steps"]),
    ],
)
def test_what_is_wrong_is_said(kind: type, words: list[str]) -> None:
    findings = list(check(name(kind), episodes=2))
    for text in words:
        assert text in of("wrong", findings)


def test_gymnasium_has_its_say() -> None:
    assert "Gymnasium's checker" in of("note", list(check(name(Unseeded), episodes=1)))


def test_large_rewards_are_noted() -> None:
    assert "rewards beyond 30 a step" in of("note", list(check(name(Infinite), episodes=1)))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Raises, "raised in step(): RuntimeError: the motor is on fire"),
        (Shape, "step() gave an observation of shape [4]; declared is [3]"),
        (Old, "4 results; needed are 5: observation, reward, terminated, truncated, info"),
    ],
)
def test_what_cannot_be_played_is_refused(kind: type, words: str) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        list(check(name(kind), episodes=2))
    assert words in str(caught.value)
    assert name(kind) in str(caught.value)


def test_finished_episodes_are_counted_apart() -> None:
    ends = np.array([[0, 0], [1, 0], [0, 0], [0, 1], [1, 0]], bool)
    starts = np.array([[1, 1], [1, 1], [0, 1], [1, 1], [1, 0]], bool)  # 0: the step was a reset
    rewards = np.where(starts, np.arange(5)[:, None], 0).astype(np.float32)
    outcome = Outcome(np.zeros((5, 2, 1)), rewards, ends, np.zeros_like(ends), starts)
    lengths, returns = finished(outcome)
    assert sorted(zip(lengths, returns, strict=True)) == [(2, 1.0), (2, 7.0), (4, 6.0)]


def test_episodes_that_are_all_alike_are_noted_and_not_only_their_starts() -> None:
    lake, alike = "gymnasium/FrozenLake-v1?time_limit=30&is_slippery=", "all episodes start alike"
    assert alike in of("note", list(check(lake + "false", episodes=2)))
    findings = list(check(lake + "true", episodes=2))  # starts where the other does, and slips
    assert alike not in of("note", findings)
    assert "another seed gives other episodes" in of("ok", findings)


def of_frames(frames: np.ndarray) -> list[Finding]:
    """What is said of these [steps, batch, ...], the first of which are those of the reset."""
    still = np.zeros(frames.shape[:2], np.float32)
    outcomes = Outcome(frames[1:], still[1:], still[1:] > 0, still[1:] > 0, still[1:] == 0)
    return list(of_observations(Played(frames[0], outcomes, None, 0.0)))


def test_frames_are_looked_at_without_copies_of_all_of_them() -> None:
    frames = np.random.default_rng(0).integers(7, 200, (60, 2, 84, 84)).astype(np.uint8)
    frames[:, :, 2, :5] = 9
    tracemalloc.start()
    findings = of_frames(frames)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert of("ok", findings) == "observations: finite, from 7 to 199"
    assert "5 of 7056 quantities never changed, the first is number 168" in of("note", findings)
    assert most < frames.nbytes / 4


@pytest.mark.parametrize("kind", [np.float32, bool])
def test_observations_of_other_types(kind: type) -> None:
    seen = np.array([[[0, -40]], [[1, 2]], [[0, 2]]]).astype(kind)
    findings = of_frames(seen)
    span = "from -40 to 2" if kind is np.float32 else "from 0 to 1"
    assert of("ok", findings) == f"observations: finite, {span}"
    noted = "beyond 30" if kind is np.float32 else "1 of 2 quantities never changed, the first is"
    assert noted in of("note", findings)
