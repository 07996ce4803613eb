"""Whole episodes of an exported actor: the artifact acts on the host, JAX or a simulator is the
world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, Num

from sparse_rl.envs import VectorEnv
from sparse_rl.spaces import Continuous, EnvSpec

Act = Callable[[Num[np.ndarray, "batch *observation"]], Num[np.ndarray, "batch *action"]]
"""Observations to actions, in the environment's own units."""


class ActorEpisodes(NamedTuple):
    """Undiscounted returns, lengths, and the first observations that were seen, in no special
    order.
    """

    returns: Float[np.ndarray, " episodes"]
    lengths: Int[np.ndarray, " episodes"]
    observations: Num[np.ndarray, "seen *observation"]


def play(
    act: Act, environment: VectorEnv, episodes: int, seed: int, keep: int = 0
) -> ActorEpisodes:
    """`episodes` episodes side by side until the last one has ended; keeps up to `keep`
    observations.
    """
    spec = environment.spec
    step = jax.jit(environment.step)
    state, first = jax.jit(environment.reset)(jax.random.split(jax.random.key(seed), episodes))
    frames = np.asarray(first)
    seen = frames
    if spec.frame_stack > 1:
        blank = np.zeros((*frames.shape, spec.frame_stack), frames.dtype)
        seen = _stacked(blank, frames)
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
    running = np.ones(episodes, bool)
    kept: list[np.ndarray] = []
    number = 0
    while running.any():
        if number < keep:
            kept.append(seen[running][: keep - number])
            number += len(kept[-1])
        action = _as_agent_acts(spec, act(seen))
        state, outcome = step(state, action)
        returns += np.where(running, np.asarray(outcome.reward), 0.0)
        lengths += running
        running &= ~np.asarray(outcome.terminated | outcome.truncated)
        frames = np.asarray(outcome.observation)
        seen = _stacked(seen, frames) if spec.frame_stack > 1 else frames
    observations = np.concatenate(kept) if kept else seen[:0]
    return ActorEpisodes(returns, lengths, observations)


def _as_agent_acts(spec: EnvSpec, action: np.ndarray) -> np.ndarray:
    """Environments here take continuous actions in [-1, 1]; artifacts give them in real units."""
    if not isinstance(spec.action, Continuous):
        return np.asarray(action, np.int32)
    low, high = np.asarray(spec.action.low, np.float32), np.asarray(spec.action.high, np.float32)
    return np.asarray(2 * (action - low) / (high - low) - 1, np.float32)


def _stacked(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.concatenate([old[..., 1:], new[..., None]], axis=-1)
