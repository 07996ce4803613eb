"""One episode of one policy, kept state by state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from sparse_rl.envs.vector_env import Continuous, EnvSpec, VectorEnv

Policy = Callable[[np.ndarray], np.ndarray]
"""One observation (frames stacked along the last axis) -> one action: [-1, 1] or its number."""


@dataclass(frozen=True)
class Episode:
    """States (each a batch of one) and observations from the first to the last, and rewards.

    There is one reward less than states: reward i is that of the step from state i to i + 1.
    """

    states: list[Any]
    observations: list[np.ndarray]
    rewards: list[float]
    ended: bool

    def return_until(self, index: int) -> float:
        """Sum of the rewards on the way to state `index`."""
        return float(sum(self.rewards[:index]))


def play(env: VectorEnv, policy: Policy, seed: int, most_steps: int) -> Episode:
    """Play until the episode ends, but at most so many steps; the start depends on the seed."""
    step = jax.jit(env.step)
    state, batch = jax.jit(env.reset)(jax.random.split(jax.random.key(seed), 1))
    observations = [np.asarray(batch)[0]]
    states = [jax.device_get(_without_keys(state))]
    rewards: list[float] = []
    ended = False
    while len(rewards) < most_steps and not ended:
        action = np.asarray(policy(_stacked(observations, env.spec)))
        state, outcome = step(state, action[None])
        observations.append(np.asarray(outcome.observation)[0])
        states.append(jax.device_get(_without_keys(state)))
        rewards.append(float(outcome.reward[0]))
        ended = bool(outcome.terminated[0] | outcome.truncated[0])
    return Episode(states, observations, rewards, ended)


def random_policy(spec: EnvSpec, seed: int) -> Policy:
    """Uniform random actions: what a policy looks like that has learnt nothing."""
    generator = np.random.default_rng(seed)
    if isinstance(spec.action, Continuous):
        size = len(spec.action.low)
        return lambda observation: generator.uniform(-1, 1, size).astype(np.float32)
    count = spec.action.n
    return lambda observation: np.asarray(generator.integers(count), np.int32)


def _without_keys(state: Any) -> Any:
    """The state with raw data for its random keys, which `device_get` cannot take as they are."""
    return jax.tree.map(
        lambda leaf: (
            jax.random.key_data(leaf)
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else leaf
        ),
        state,
    )


def _stacked(observations: list[np.ndarray], spec: EnvSpec) -> np.ndarray:
    """The last frames along the last axis; before the episode began, its first frame repeated."""
    if spec.frame_stack == 1:
        return observations[-1]
    first = max(0, len(observations) - spec.frame_stack)
    frames = observations[first:]
    frames = [frames[0]] * (spec.frame_stack - len(frames)) + frames
    return np.stack(frames, axis=-1)
