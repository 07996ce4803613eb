"""What an environment must keep, tried with random actions before anybody trains in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Num

from sparse_rl.envs import failure, registry
from sparse_rl.envs.compiled import programs
from sparse_rl.envs.host import HostEnv
from sparse_rl.envs.vector_env import VectorEnv
from sparse_rl.spaces import Continuous, EnvSpec, Outcome

MOST_STEPS = 1_000
"""Of one episode that is played here."""
LARGE = 30.0
"""Rewards of a step, or observations, beyond which a network learns badly from raw numbers."""


class Finding(NamedTuple):
    """One thing that was tried. "note": it can be trained, but think of it."""

    kind: Literal["ok", "note", "wrong"]
    text: str


class Played(NamedTuple):
    """Episodes side by side, in NumPy's arrays.

    Attributes:
        first: the first observations.
        outcomes: of all steps, each array [steps, batch, ...].
        halfway: the environments' state after half of the steps, JAX's.
        seconds: a step of the batch, by the median.
    """

    first: Num[np.ndarray, "batch *observation"]
    outcomes: Outcome
    halfway: Any
    seconds: float


def check(name: str, episodes: int = 4, seed: int = 0) -> Iterator[Finding]:
    """Plays in the environment `name` and says what it finds, one thing after the other.

    Args:
        name: as for `make`.
        episodes: how many are played side by side, at most 1,000 steps of each.
        seed: their starts and actions follow from it.

    Raises:
        ValueError: one line, where the environment cannot be made, or raises, or gives an
            observation that it does not declare.
    """
    environment = registry.make(name)
    most = min(environment.spec.time_limit, MOST_STEPS)
    actions = random_actions(environment.spec, most, episodes, seed)
    with failure.told():
        played = play(environment, seed, actions)
        yield from of_observations(played)
        yield from of_rewards(played)
        yield of_ends(environment.spec, played)
        other = play(environment, seed + 1, actions)
        # Last, because by now the simulators on the host have been used: a reset must forget.
        again = play(environment, seed, actions)
        yield of_the_same_seed(played, again)
        yield of_another_seed(played, other)
        yield of_a_fork(name, played, actions)
        if isinstance(environment, HostEnv):
            rate = f"{episodes / played.seconds:,.0f} steps/s on the host, {episodes} side by side"
            yield Finding("ok", rate)
    for text in registry.complaints(name):
        yield Finding("note", text)


def play(environment: VectorEnv, seed: int, actions: Num[np.ndarray, "steps batch *a"]) -> Played:
    """The episodes of these actions; their starts follow from the seed."""
    reset, _ = programs(environment)
    state, first = reset(jax.random.split(jax.random.key(seed), len(actions[0])))
    return _go_on(environment, state, first, actions)


def _go_on(environment: VectorEnv, state: Any, first: Any, actions: np.ndarray) -> Played:
    _, step = programs(environment)
    outcomes, times, halfway = [], [], state
    for number, action in enumerate(actions):
        if number == len(actions) // 2:
            halfway = state
        begun = time.perf_counter()
        state, outcome = step(state, jnp.asarray(action))
        outcomes.append(jax.device_get(outcome))
        times.append(time.perf_counter() - begun)
    stacked: Outcome = jax.tree.map(lambda *leaves: np.stack(leaves), *outcomes)
    return Played(np.asarray(first), stacked, halfway, float(np.median(times)))


def random_actions(
    spec: EnvSpec, steps: int, batch: int, seed: int
) -> Num[np.ndarray, "steps batch *a"]:
    """Of an agent: within [-1, 1], or whole numbers."""
    generator = np.random.default_rng(seed)
    if isinstance(spec.action, Continuous):
        size = (steps, batch, len(spec.action.low))
        return generator.uniform(-1, 1, size).astype(np.float32)
    return generator.integers(spec.action.n, size=(steps, batch)).astype(np.int32)


def of_observations(played: Played) -> Iterator[Finding]:
    """Are they finite, within what a network likes, and does each say something?"""
    low = high = played.first[0]
    # Step by step: of frames, a copy of all of them would be gigabytes.
    for step, seen in enumerate((played.first, *played.outcomes.observation)):
        if not np.isfinite(seen).all():
            yield Finding("wrong", f"observations: not finite after {step} steps")
            return
        low, high = np.minimum(low, seen.min(axis=0)), np.maximum(high, seen.max(axis=0))
    lowest, highest = float(low.min()), float(high.max())
    yield Finding("ok", f"observations: finite, from {lowest:.4g} to {highest:.4g}")
    if played.first.dtype == np.float32 and max(-lowest, highest) > LARGE:
        yield Finding("note", f"observations beyond {LARGE:g}: --network.normalize, or a wrapper")
    constant = np.flatnonzero(low == high)
    if len(constant):
        of = f"{len(constant)} of {low.size} quantities"
        yield Finding(
            "note", f"observations: {of} never changed, the first is number {constant[0]}"
        )


def of_rewards(played: Played) -> Iterator[Finding]:
    """Are they finite, of a size that values can have, and not all the same?"""
    rewards = played.outcomes.reward[played.outcomes.valid].astype(np.float64)
    if not np.isfinite(rewards).all():
        yield Finding("wrong", "rewards: not finite")
        return
    yield Finding("ok", f"rewards: finite, from {rewards.min():.4g} to {rewards.max():.4g} a step")
    if np.abs(rewards).max() > LARGE:
        yield Finding("note", f"rewards beyond {LARGE:g} a step: scale them in a wrapper")
    if rewards.min() == rewards.max() == 0:
        yield Finding("note", "rewards: all zero under random actions; nothing may ever be learned")


def of_ends(spec: EnvSpec, played: Played) -> Finding:
    """How long episodes are, and what random play earns in them."""
    lengths, returns = finished(played.outcomes)
    if not len(lengths):
        return Finding("note", f"episodes: none ended within {len(played.outcomes.reward):,} steps")
    shortest, longest = lengths.min(), lengths.max()
    told = f"{longest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"
    return Finding(
        "ok",
        f"episodes: {told} steps, the limit is {spec.time_limit:,}; random play earns "
        f"{returns.mean():,.4g} in one, the mean of {len(returns)}",
    )


def finished(
    outcomes: Outcome,
) -> tuple[Int[np.ndarray, " episodes"], Float[np.ndarray, " episodes"]]:
    """Lengths and returns of all episodes that ended, in no special order."""
    lengths, returns = [], []
    for column in range(outcomes.reward.shape[1]):
        length, total = 0, 0.0
        over = outcomes.terminated[:, column] | outcomes.truncated[:, column]
        for valid, reward, ended in zip(
            outcomes.valid[:, column], outcomes.reward[:, column], over, strict=True
        ):
            length, total = length + int(valid), total + float(reward)
            if ended:
                lengths.append(length)
                returns.append(total)
                length, total = 0, 0.0
    return np.array(lengths, int), np.array(returns)


def of_the_same_seed(played: Played, again: Played) -> Finding:
    """A seed decides an episode: seeds are repeated, and what is killed is resumed."""
    if np.array_equal(played.first, again.first, equal_nan=True):
        step = _first_difference(played.outcomes, again.outcomes)
        if step is None:
            return Finding("ok", "the same seed and actions give the same episodes")
        where = f"after {steps(step + 1)}"
    else:
        where = "at the start"
    return Finding("wrong", f"the same seed gave other episodes, {where}")


def of_another_seed(played: Played, other: Played) -> Finding:
    """Episodes should not all be one: they may begin alike where what follows is left to chance."""
    starts = np.concatenate([played.first, other.first])
    same = _first_difference(played.outcomes, other.outcomes) is None
    if same and len(np.unique(starts, axis=0)) == 1:
        return Finding("note", "all episodes start alike: a policy may learn one path by heart")
    return Finding("ok", "another seed gives other episodes")


def of_a_fork(name: str, played: Played, actions: Num[np.ndarray, "steps batch *a"]) -> Finding:
    """What was stopped in the middle goes on the same in a simulator that has seen nothing of it.

    A study forks and resumes so.
    """
    half = len(actions) // 2
    another = registry.make.__wrapped__(name)  # not the one that is kept, whose simulators are warm
    went_on = _go_on(another, played.halfway, played.first, actions[half:])
    rest: Outcome = jax.tree.map(lambda leaf: leaf[half:], played.outcomes)
    step = _first_difference(rest, went_on.outcomes)
    if step is None:
        return Finding("ok", "from the middle on, episodes go on the same in another simulator")
    return Finding(
        "wrong",
        f"taken up again in the middle, episodes differ after {steps(step + 1)}: all must follow "
        "from reset's seed and the actions since",
    )


def steps(number: int) -> str:
    """1 step, 2 steps."""
    return f"{number:,} step" + "s" * (number != 1)


def _first_difference(one: Outcome, other: Outcome) -> int | None:
    """The first step at which they differ; None where they are the same."""
    same = np.ones(len(one.reward), bool)
    for left, right in zip(one, other, strict=True):
        equal = (left == right) | ((left != left) & (right != right))
        same &= equal.reshape(len(same), -1).all(axis=1)
    return None if same.all() else int(np.argmin(same))
