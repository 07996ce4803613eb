"""Whole episodes of a policy that acts on the host, such as an exported actor.

JAX or a simulator is the world. What is played here is what evaluation in JAX plays
(`study.episodes`): the same frames are seen, the same actions are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Num

from sparse_rl.envs import VectorEnv, failure
from sparse_rl.envs.compiled import programs
from sparse_rl.envs.once import once
from sparse_rl.playing.frames import first_seen, next_seen
from sparse_rl.spaces import Continuous, Discrete, EnvSpec, to_agent_action

Act = Callable[[Num[np.ndarray, "batch *observation"]], Num[np.ndarray, "batch *action"]]
"""What is seen to actions, in the environment's own units."""


class Moment(NamedTuple):
    """A moment of all episodes: what a film shows.

    Attributes:
        state: the environment's, on the host, random keys as raw numbers.
        frame: the environment's observation, one frame.
        seen: what the policy sees.
        reward: of the step that led here; zero at the start.
    """

    state: Any
    frame: Num[np.ndarray, "episodes *frame"]
    seen: Num[np.ndarray, "episodes *observation"]
    reward: Float[np.ndarray, " episodes"]


class Episodes(NamedTuple):
    """What was played.

    Attributes:
        returns: undiscounted; nan where an observation or an action was not finite.
        lengths: in steps.
        ended: False where the episode was cut off by `most_steps`.
        observations: the first that were seen, as many as were asked for, in no special order.
        history: from the first moment to the last, if asked for.
    """

    returns: Float[np.ndarray, " episodes"]
    lengths: Int[np.ndarray, " episodes"]
    ended: Bool[np.ndarray, " episodes"]
    observations: Num[np.ndarray, "seen *observation"]
    history: tuple[Moment, ...]


@failure.told()
def play(
    act: Act,
    environment: VectorEnv,
    episodes: int,
    seed: int,
    *,
    keep: int = 0,
    most_steps: int | None = None,
    remember: bool = False,
    copies: int = 1,
    told: Callable[[float], None] | None = None,
) -> Episodes:
    """`episodes` episodes side by side, until the last one has ended or `most_steps` are taken.

    Their starts depend on the seed alone. Keeps up to `keep` observations, and with `remember` the
    whole history. With `copies` all of it is that often in the batch, one whole set after the
    other, with the same starts: for policies that are to be compared. `told` hears after every step
    which share is done: of the episodes, or of the longest that one may take.

    Raises `EnvironmentFailure`, a ValueError, where the environment raises.
    """
    spec = environment.spec
    reset, step = programs(once(environment))
    state, first = reset(jnp.tile(jax.random.split(jax.random.key(seed), episodes), copies))
    frame = np.asarray(first)
    seen = first_seen(frame, spec.frame_stack)
    batch = copies * episodes
    returns, lengths = np.zeros(batch), np.zeros(batch, np.int64)
    running = np.ones(batch, bool)
    kept: list[np.ndarray] = []
    number = 0
    history = [Moment(_on_host(state), frame, seen, np.zeros(batch))] if remember else []
    while running.any() and (most_steps is None or lengths.max() < most_steps):
        if number < keep:
            kept.append(seen[running][: keep - number])
            number += len(kept[-1])
        action = np.asarray(act(seen))
        unusable = running & ~(all_finite(seen) & all_finite(action))
        state, outcome = step(state, _in_agent_units(spec.action, action))
        reward = np.where(running, np.asarray(outcome.reward), 0.0)
        returns += np.where(unusable, np.nan, reward)
        lengths += running
        running &= ~np.asarray(outcome.terminated | outcome.truncated)
        frame = np.asarray(outcome.observation)
        seen = next_seen(seen, frame, spec.frame_stack)
        if remember:
            history.append(Moment(_on_host(state), frame, seen, reward))
        if told is not None:
            told(max(1.0 - running.mean(), lengths.max() / spec.time_limit))
    observations = np.concatenate(kept) if kept else seen[:0]
    return Episodes(returns, lengths, ~running, observations, tuple(history))


def random_policy(spec: EnvSpec, seed: int) -> Act:
    """Uniformly random actions: what a policy looks like that has learnt nothing."""
    generator = np.random.default_rng(seed)
    space = spec.action
    if isinstance(space, Continuous):
        low, high = np.asarray(space.low), np.asarray(space.high)
        return lambda seen: generator.uniform(low, high, (len(seen), len(low))).astype(np.float32)
    return lambda seen: generator.integers(space.n, size=len(seen)).astype(np.int32)


def _in_agent_units(space: Continuous | Discrete, action: np.ndarray) -> np.ndarray:
    """The actions, and 0 in place of those that are not finite: of these the return is nan."""
    if isinstance(space, Discrete):
        action = np.nan_to_num(action)  # no whole number is nan
    found: np.ndarray = to_agent_action(space, action)
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


def all_finite(values: Num[np.ndarray, "episodes *shape"]) -> Bool[np.ndarray, " episodes"]:
    """In which episodes every number is finite."""
    return np.isfinite(values).reshape(len(values), -1).all(axis=1)


def _on_host(state: Any) -> Any:
    """The state with raw data for its random keys, which `device_get` cannot take as they are."""
    raw = jax.tree.map(
        lambda leaf: (
            jax.random.key_data(leaf)
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else leaf
        ),
        state,
    )
    return jax.device_get(raw)
