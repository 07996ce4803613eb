"""The bookkeeping of episodes that all suites share: keys, clocks and ends."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num, PyTree

from sparse_rl.envs.vector_env import EnvSpec, Outcome


class EpisodeState(NamedTuple):
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


def begin(keys: Key[Array, " batch"], inner: PyTree) -> EpisodeState:
    """The state at the start of the first episodes."""
    elapsed = on_every_device(jnp.zeros(keys.shape[0], jnp.int32), keys)
    return EpisodeState(keys, elapsed, elapsed.astype(bool), inner)


def conclude(
    spec: EnvSpec,
    before: EpisodeState,
    keys: Key[Array, " batch"],
    inner: PyTree,
    observation: Num[Array, "batch *observation"],
    reward: Float[Array, " batch"],
    terminated: Bool[Array, " batch"],
    truncated: Bool[Array, " batch"] | None = None,
) -> tuple[EpisodeState, Outcome]:
    """Ends a step: moves the clocks and says which rows count.

    Args:
        spec: gives the time limit.
        before: the state before the step. Where its episode had ended, `inner` and `observation`
            are those of a fresh episode, and the other results mean nothing.
        keys: the keys for the next step.
        inner: the environments' states after the step.
        observation: what is observed after the step.
        reward: the reward of the step.
        terminated: the episode ended for good.
        truncated: the environment itself cut the episode, beside our time limit.
    """
    valid = ~before.ended
    elapsed = jnp.where(valid, before.elapsed + 1, 0)
    terminated = terminated.astype(bool) & valid
    cut = elapsed >= spec.time_limit
    if truncated is not None:
        cut |= truncated.astype(bool) & valid
    reward = jnp.where(valid, reward.astype(jnp.float32), 0.0)
    outcome = Outcome(observation, reward, terminated, cut, valid)
    return EpisodeState(keys, elapsed, terminated | cut, inner), outcome


def split(keys: Key[Array, " batch"]) -> tuple[Key[Array, " batch"], Key[Array, " batch"]]:
    """From each key one for later and one for now."""
    pairs = jax.vmap(jax.random.split)(keys)
    return pairs[:, 0], pairs[:, 1]


def on_every_device(tree: PyTree, keys: Key[Array, " batch"]) -> PyTree:
    """The same arrays, declared to differ from device to device as the keys do.

    Inside `shard_map`, JAX takes constants, and what a callback returns, to be the same on every
    device; in the carry of a loop they would change their type at the first step. A choice
    between an array and itself declares it in public terms, and the compiler removes it.
    """
    either = jax.random.key_data(keys).ravel()[0] == 0
    return jax.tree.map(lambda leaf: jnp.where(either, leaf, leaf), tree)
