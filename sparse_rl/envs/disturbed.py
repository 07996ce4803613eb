"""Another environment in a rougher world: observations are noisy, actions come late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from sparse_rl.envs.episodes import split
from sparse_rl.envs.vector_env import Continuous, EnvSpec, Outcome, State, VectorEnv


class DisturbedState(NamedTuple):
    """State of a batch of disturbed environments.

    Attributes:
        inner: that of the environments themselves.
        key: of each environment's noise.
        waiting: actions that were chosen and not carried out yet, the oldest first.
    """

    inner: State
    key: Key[Array, " batch"]
    waiting: Num[Array, "batch delay *action"]


@dataclass(frozen=True, eq=False)
class DisturbedEnv:
    """A `VectorEnv` that differs from `environment` in what is seen and in when it acts.

    Attributes:
        environment: the one that is disturbed; its rewards and ends stay its own.
        noise: standard deviation of the normal noise on each quantity of an observation, drawn
            anew at every step.
        delay: steps between the choice of an action and its effect. Before the first has arrived an
            episode goes on with the middle of the bounds, or with action 0.
    """

    environment: VectorEnv
    noise: Float[np.ndarray, "*observation"]
    delay: int

    @property
    def spec(self) -> EnvSpec:
        """That of the environment."""
        return self.environment.spec

    def reset(
        self, keys: Key[Array, " batch"]
    ) -> tuple[DisturbedState, Num[Array, "batch *observation"]]:
        """Starts one episode per key: the same one as without disturbance."""
        inner, observation = self.environment.reset(keys)
        later, now = split(jax.vmap(jax.random.fold_in, (0, None))(keys, _NOISE))
        state = DisturbedState(inner, later, self._nothing_waits(len(keys)))
        return state, self._seen(observation, now)

    def step(
        self, state: DisturbedState, action: Num[Array, "batch *action"]
    ) -> tuple[DisturbedState, Outcome]:
        """Carries out the action of `delay` steps ago, and lets this one wait."""
        queue = jnp.concatenate([state.waiting, action[:, None].astype(state.waiting.dtype)], 1)
        inner, outcome = self.environment.step(state.inner, queue[:, 0])
        later, now = split(state.key)
        # A reset ignores its action; nothing that was chosen before it reaches the new episode.
        valid = outcome.valid.reshape((-1,) + (1,) * (action.ndim))
        waiting = jnp.where(valid, queue[:, 1:], self._nothing_waits(len(action)))
        seen = self._seen(outcome.observation, now)
        return DisturbedState(inner, later, waiting), outcome._replace(observation=seen)

    def _nothing_waits(self, batch: int) -> Array:
        space = self.spec.action
        if isinstance(space, Continuous):
            return jnp.zeros((batch, self.delay, len(space.low)))
        return jnp.zeros((batch, self.delay), jnp.int32)

    def _seen(self, observation: Any, keys: Key[Array, " batch"]) -> Array:
        if not self.noise.any():
            return jnp.asarray(observation)
        shape = self.spec.observation_shape
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
        return jnp.asarray(observation + self.noise.astype(np.float32) * noise)


_NOISE = 0x6E6F6973
"""Folded into an environment's key, so that noise is drawn apart from its starts."""
