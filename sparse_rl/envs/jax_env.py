"""Turns the pure functions of one JAX environment into a batched `VectorEnv`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Num, PyTree

from sparse_rl.envs import episodes, failure
from sparse_rl.envs.episodes import EpisodeState
from sparse_rl.envs.vector_env import EnvSpec, Outcome
from sparse_rl.spaces import to_env_action


class Transition(NamedTuple):
    """One step of one environment; `terminated` knows nothing of the time limit."""

    state: PyTree
    observation: Num[Array, "*observation"]
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]


@dataclass(frozen=True)
class JaxEnv:
    """A `VectorEnv` made of single pure functions.

    Attributes:
        spec: the environment's shapes and limits; the time limit is enforced here.
        reset_one: key -> (state, observation).
        step_one: (key, state, action) -> Transition; a continuous action comes in the
            environment's own units.
    """

    spec: EnvSpec
    reset_one: Callable[[Any], tuple[PyTree, Num[Array, "*observation"]]]
    step_one: Callable[[Any, PyTree, Num[Array, "*action"]], Transition]

    def reset(self, keys: Key[Array, " batch"]) -> tuple[EpisodeState, Num[Array, "batch *obs"]]:
        """Starts one episode per key."""
        keys, now = episodes.split(keys)
        inner, observation = self._reset_all(now)
        return episodes.begin(keys, inner), observation

    def step(
        self, state: EpisodeState, action: Num[Array, "batch *action"]
    ) -> tuple[EpisodeState, Outcome]:
        """Advances every environment by one step, or resets it where its episode had ended."""
        keys, now = episodes.split(state.key)
        moved = self._step_all(now, state.inner, to_env_action(self.spec.action, action))
        inner = episodes.on_every_device(moved.state, now)
        observation = moved.observation

        # The predicate is one scalar for the whole batch: `cond` stays a branch, and a step at
        # which no episode starts does not pay for a reset.
        inner, observation = jax.lax.cond(
            jnp.any(state.ended),
            lambda: jax.tree.map(
                lambda fresh, old: _where(state.ended, fresh, old),
                self._reset_all(now),
                (inner, observation),
            ),
            lambda: (inner, observation),
        )
        return episodes.conclude(
            self.spec, state, keys, inner, observation, moved.reward, moved.terminated
        )

    def _step_all(
        self, keys: Key[Array, " batch"], inner: PyTree, action: Num[Array, "batch *action"]
    ) -> Transition:
        """All of them, with the types that the state had and the observation is to have."""
        try:
            moved = jax.vmap(self.step_one)(keys, inner, action)
            state = jax.tree.map(lambda new, old: _as_type(new, old.dtype), moved.state, inner)
            observation = moved.observation.astype(self.spec.observation_dtype)
        except Exception as error:  # while it is traced
            raise failure.of(self.spec.name, "step", error) from None
        failure.check_shape(self.spec, "step", observation.shape[1:])
        return moved._replace(state=state, observation=observation)

    def _reset_all(self, keys: Key[Array, " batch"]) -> tuple[PyTree, Num[Array, "batch *obs"]]:
        try:
            inner, observation = jax.vmap(self.reset_one)(keys)
            inner = jax.tree.map(lambda leaf: _as_type(leaf, leaf.dtype), inner)
            observation = observation.astype(self.spec.observation_dtype)
        except Exception as error:
            raise failure.of(self.spec.name, "reset", error) from None
        failure.check_shape(self.spec, "reset", observation.shape[1:])
        return episodes.on_every_device((inner, observation), keys)


def _as_type(leaf: Array, dtype: Any) -> Array:
    """Gives the leaf exactly this type; a weak type (of a Python scalar) becomes a strong one.

    The types of the state must never change from step to step: a scan would refuse the carry, and
    a jitted step would be compiled twice.
    """
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return leaf
    return jax.lax.convert_element_type(leaf, dtype)


def _where(condition: Bool[Array, " batch"], yes: Array, no: Array) -> Array:
    return jnp.where(condition.reshape(condition.shape + (1,) * (yes.ndim - 1)), yes, no)
