"""Turns the pure functions of one JAX environment into a batched `VectorEnv`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num, PyTree

from sparse_rl.envs.vector_env import Continuous, EnvSpec, Outcome


class Transition(NamedTuple):
    """One step of one environment; `terminated` knows nothing of the time limit."""

    state: PyTree
    observation: Num[Array, "*observation"]
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]


class JaxEnvState(NamedTuple):
    """State of a batch of environments.

    Attributes:
        key: the random key of each environment.
        elapsed: steps of the current episode so far.
        ended: the episode is over: the next step resets.
        inner: the states of the environments themselves.
    """

    key: Key[Array, " batch"]
    elapsed: Int[Array, " batch"]
    ended: Bool[Array, " batch"]
    inner: PyTree


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

    def reset(self, keys: Key[Array, " batch"]) -> tuple[JaxEnvState, Num[Array, "batch *obs"]]:
        """Starts one episode per key."""
        keys, now = _split(keys)
        inner, observation = self._reset_all(now)
        elapsed = jnp.zeros(keys.shape[0], jnp.int32)
        return JaxEnvState(keys, elapsed, elapsed.astype(bool), inner), observation

    def step(
        self, state: JaxEnvState, action: Num[Array, "batch *action"]
    ) -> tuple[JaxEnvState, Outcome]:
        """Advances every environment by one step, or resets it where its episode had ended."""
        keys, now = _split(state.key)
        moved = jax.vmap(self.step_one)(now, state.inner, self._own_units(action))
        inner = jax.tree.map(lambda new, old: _as_type(new, old.dtype), moved.state, state.inner)
        observation = moved.observation.astype(self.spec.observation_dtype)

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
        valid = ~state.ended
        elapsed = jnp.where(valid, state.elapsed + 1, 0)
        terminated = moved.terminated.astype(bool) & valid
        truncated = elapsed >= self.spec.time_limit
        reward = jnp.where(valid, moved.reward.astype(jnp.float32), 0.0)
        outcome = Outcome(observation, reward, terminated, truncated, valid)
        return JaxEnvState(keys, elapsed, terminated | truncated, inner), outcome

    def _reset_all(self, keys: Key[Array, " batch"]) -> tuple[PyTree, Num[Array, "batch *obs"]]:
        inner, observation = jax.vmap(self.reset_one)(keys)
        inner = jax.tree.map(lambda leaf: _as_type(leaf, leaf.dtype), inner)
        return inner, observation.astype(self.spec.observation_dtype)

    def _own_units(self, action: Num[Array, "batch *action"]) -> Num[Array, "batch *action"]:
        space = self.spec.action
        if isinstance(space, Continuous):
            low, high = jnp.asarray(space.low), jnp.asarray(space.high)
            # Centre and half width, because this form is exact for the common bounds [-1, 1].
            scaled = (low + high) / 2 + (high - low) / 2 * jnp.clip(action, -1.0, 1.0)
            return jnp.clip(scaled, low, high)
        return action.astype(jnp.int32)


def _split(keys: Key[Array, " batch"]) -> tuple[Key[Array, " batch"], Key[Array, " batch"]]:
    pairs = jax.vmap(jax.random.split)(keys)
    return pairs[:, 0], pairs[:, 1]


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
