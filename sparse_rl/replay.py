"""The replay ring of one member: every observation is stored once.

Row t holds what happened at environment step t: the observation before it, the action, and what
came of it. Environments reset on the step after an episode ends, so the observation after step t is
always the one of row t + 1, also at the end of an episode. The row of a reset is marked invalid.

Times are counted from the start of training and never wrap; row t lies at t modulo the capacity.
The clock, the number of finished steps, is one scalar for all members: under `vmap` a write stays
one slice update of the whole population.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num


class Ring(NamedTuple):
    """Rows of `capacity` steps; the observation at the clock is that of the step to come."""

    observation: Num[Array, "capacity *observation"]
    action: Num[Array, "capacity *action"]
    reward: Float[Array, " capacity"]
    terminated: Bool[Array, " capacity"]
    truncated: Bool[Array, " capacity"]
    valid: Bool[Array, " capacity"]


class Batch(NamedTuple):
    """Transitions as a learner needs them.

    The target of a value is `reward + discount * V(next_observation)`. `discount` is 0 where the
    episode terminated, and not 0 where it was only cut by a time limit. `weight` is 0 for rows that
    teach nothing (resets) and 1 otherwise.
    """

    observation: Num[Array, "batch *observation"]
    action: Num[Array, "batch *action"]
    reward: Float[Array, " batch"]
    discount: Float[Array, " batch"]
    next_observation: Num[Array, "batch *observation"]
    weight: Float[Array, " batch"]


def init(
    capacity: int, observation: Num[Array, "*observation"], action: Num[Array, "*action"]
) -> Ring:
    """An empty ring whose first observation is `observation`; `action` gives shape and type."""

    def rows(example: Num[Array, "*row"]) -> Num[Array, "capacity *row"]:
        return jnp.zeros((capacity, *example.shape), example.dtype)

    flags = jnp.zeros(capacity, bool)
    return Ring(
        observation=rows(observation).at[0].set(observation),
        action=rows(action),
        reward=jnp.zeros(capacity, jnp.float32),
        terminated=flags,
        truncated=flags,
        valid=flags,
    )


def size_in_bytes(
    capacity: int, observation: jax.ShapeDtypeStruct, action: jax.ShapeDtypeStruct
) -> int:
    """Bytes of the ring of one member, from shapes alone: nothing is allocated."""
    ring = jax.eval_shape(functools.partial(init, capacity), observation, action)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(ring))


def write(
    ring: Ring,
    clock: Int[Array, ""],
    action: Num[Array, "*action"],
    next_observation: Num[Array, "*observation"],
    reward: Float[Array, ""],
    terminated: Bool[Array, ""],
    truncated: Bool[Array, ""],
    valid: Bool[Array, ""],
) -> Ring:
    """The ring after step `clock`: its row is complete and the next observation is in place."""
    capacity = ring.reward.shape[0]
    now, following = clock % capacity, (clock + 1) % capacity
    return Ring(
        observation=ring.observation.at[following].set(next_observation),
        action=ring.action.at[now].set(action),
        reward=ring.reward.at[now].set(reward),
        terminated=ring.terminated.at[now].set(terminated),
        truncated=ring.truncated.at[now].set(truncated),
        valid=ring.valid.at[now].set(valid),
    )


def observe(
    ring: Ring, time: Int[Array, "*times"], frame_stack: int
) -> Num[Array, "*times *observation"]:
    """What the policy sees at `time`: an observation, or the last `frame_stack` on a new last axis.

    Frames from before the episode's start are zeros, as in Stable-Baselines3's frame stacking.
    """
    capacity = ring.reward.shape[0]
    if frame_stack == 1:
        return ring.observation[time % capacity]
    newest = ring.observation[time % capacity]
    frames, same_episode = [newest], jnp.ones(time.shape, bool)
    for age in range(1, frame_stack):
        earlier = time - age
        # Row r is invalid when step r was a reset: then observation r + 1 starts a new episode.
        same_episode = same_episode & ring.valid[earlier % capacity] & (earlier >= 0)
        frame = ring.observation[earlier % capacity]
        shown = same_episode.reshape(time.shape + (1,) * (frame.ndim - time.ndim))
        frames.append(jnp.where(shown, frame, 0))
    return jnp.stack(frames[::-1], axis=-1)


def sample(
    ring: Ring,
    key: Key[Array, ""],
    clock: Int[Array, ""],
    batch_size: int,
    discount: float,
    n_step: int = 1,
    frame_stack: int = 1,
) -> Batch:
    """Uniform transitions with replacement, after `clock` finished steps (at least `n_step`).

    With n steps, reward = sum_k discount^k r_{t+k} over the m <= n steps until the episode ends,
    and discount = discount^m, or 0 if it terminated (Sutton and Barto 2018, equation 7.1).

    Raises ValueError where the ring is too small to hold a single such transition.
    """
    capacity = ring.reward.shape[0]
    if capacity < n_step + frame_stack:
        raise ValueError(
            f"replay.capacity: found {capacity}; allowed: at least {n_step + frame_stack}, "
            f"{n_step} steps and {frame_stack} frames"
        )
    # The row at the clock lends its place to the observation to come; older frames of a stack must
    # not have been overwritten either.
    oldest = jnp.where(clock < capacity, 0, clock - capacity + frame_stack)
    time = jax.random.randint(key, (batch_size,), oldest, clock - n_step + 1)
    window = (time[:, None] + jnp.arange(n_step)) % capacity
    terminated, ended = ring.terminated[window], ring.terminated[window] | ring.truncated[window]
    reached = jnp.cumprod(jnp.pad(~ended[:, :-1], ((0, 0), (1, 0)), constant_values=True), axis=1)
    steps = jnp.sum(reached, axis=1, dtype=jnp.int32)
    powers = discount ** jnp.arange(n_step, dtype=jnp.float32)
    return Batch(
        observation=observe(ring, time, frame_stack),
        action=ring.action[window[:, 0]],
        reward=jnp.sum(ring.reward[window] * powers * reached, axis=1),
        discount=jnp.where(
            jnp.any(terminated & (reached > 0), axis=1),
            0.0,
            jnp.float32(discount) ** steps,
        ),
        next_observation=observe(ring, time + steps, frame_stack),
        weight=ring.valid[window[:, 0]].astype(jnp.float32),
    )
