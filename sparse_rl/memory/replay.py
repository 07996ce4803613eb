"""The replay buffer of one member: every observation is stored once.

A row holds one step of the member's E environments, side by side. Row t holds what happened at step
t: the observations before it, the actions, and what came of them. Environments reset on the step
after an episode ends, so the observation after step t is always the one of row t + 1, also at the
end of an episode. The row of a reset is marked invalid, for that environment.

Times count steps of the environments from the start of training and never wrap; row t lies at t
modulo the number of rows. The time is one scalar for all members: under `vmap` a write stays one
slice update of the whole population.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num

from sparse_rl.spaces import Outcome


class ReplayBuffer(NamedTuple):
    """Rows of the last steps; the observation at the time is that of the step to come.

    `extras` is a pytree of what else an agent keeps of a step, such as the log-probability of its
    action; empty for most. `oldest` is the first step that may still be drawn, where a member
    forgets by itself (`window.shrunk`); empty for most.
    """

    observation: Num[Array, "rows environments *observation"]
    action: Num[Array, "rows environments *action"]
    reward: Float[Array, "rows environments"]
    terminated: Bool[Array, "rows environments"]
    truncated: Bool[Array, "rows environments"]
    valid: Bool[Array, "rows environments"]
    extras: Any = ()
    oldest: Int[Array, ""] | tuple[()] = ()


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
    rows: int,
    observation: Num[Array, "environments *observation"],
    action: Num[Array, "environments *action"],
    extras: Any = (),
    time: int | Int[Array, ""] = 0,
) -> ReplayBuffer:
    """An empty buffer whose observation at `time` is `observation`.

    `action` and `extras` give shapes and types of what one step leaves.
    """

    def empty(example: Num[Array, "environments *row"]) -> Num[Array, "rows environments *row"]:
        return jnp.zeros((rows, *example.shape), example.dtype)

    flags = jnp.zeros((rows, observation.shape[0]), bool)
    return ReplayBuffer(
        observation=empty(observation).at[time % rows].set(observation),
        action=empty(action),
        reward=jnp.zeros(flags.shape, jnp.float32),
        terminated=flags,
        truncated=flags,
        valid=flags,
        extras=jax.tree.map(empty, extras),
    )


def write(
    buffer: ReplayBuffer,
    time: Int[Array, ""],
    action: Num[Array, "environments *action"],
    outcome: Outcome,
    extras: Any = (),
) -> ReplayBuffer:
    """The buffer after step `time`: its row is complete and the next observation is in place."""
    rows = buffer.reward.shape[0]
    now, following = time % rows, (time + 1) % rows
    return buffer._replace(
        observation=buffer.observation.at[following].set(outcome.observation),
        action=buffer.action.at[now].set(action),
        reward=buffer.reward.at[now].set(outcome.reward),
        terminated=buffer.terminated.at[now].set(outcome.terminated),
        truncated=buffer.truncated.at[now].set(outcome.truncated),
        valid=buffer.valid.at[now].set(outcome.valid),
        extras=jax.tree.map(lambda leaf, row: leaf.at[now].set(row), buffer.extras, extras),
    )


def observe(
    buffer: ReplayBuffer, time: Int[Array, ""], frame_stack: int
) -> Num[Array, "environments *observation"]:
    """What the policy sees at `time`: observations, or the last `frame_stack` on a new last axis.

    Frames from before the episode's start are zeros, as in Stable-Baselines3's frame stacking.
    """
    return seen(buffer, time, frame_stack, lambda leaf, row: leaf[row])


def seen(buffer: ReplayBuffer, time: Int[Array, "*times"], frame_stack: int, take: Any) -> Array:
    """What a policy sees at several times, whose rows `take(leaf, rows)` reads; see `observe`."""
    rows = buffer.reward.shape[0]
    newest = take(buffer.observation, time % rows)
    if frame_stack == 1:
        return newest
    frames: list[Array] = [newest]
    same_episode = jnp.ones_like(take(buffer.valid, time % rows))
    for age in range(1, frame_stack):
        earlier = time - age
        # Row r is invalid when step r was a reset: then observation r + 1 starts a new episode.
        begun = (earlier >= 0).reshape(earlier.shape + (1,) * (same_episode.ndim - earlier.ndim))
        same_episode = same_episode & take(buffer.valid, earlier % rows) & begun
        frame = take(buffer.observation, earlier % rows)
        shown = same_episode.reshape(same_episode.shape + (1,) * (frame.ndim - same_episode.ndim))
        frames.append(jnp.where(shown, frame, jnp.zeros_like(frame)))
    return jnp.stack(frames[::-1], axis=-1)


def sample(
    buffer: ReplayBuffer,
    key: Key[Array, ""],
    time: Int[Array, ""],
    batch_size: int,
    discount: float,
    n_step: int = 1,
    frame_stack: int = 1,
    rewards: Int[Array, ""] | None = None,
    since: Int[Array, ""] | None = None,
) -> Batch:
    """Uniform transitions with replacement, after `time` finished steps (at least `n_step`).

    With n steps, reward = sum_k discount^k r_{t+k} over the m <= n steps until the episode ends,
    and discount = discount^m, or 0 if it terminated (Sutton and Barto 2018, equation 7.1). With
    `rewards`, from 1 to `n_step`, n is that number now: the same as if `n_step` were. Transitions
    from before step `since` are not drawn; it is at most `time - n_step`.

    Raises ValueError where the buffer is too small to hold a single such transition.
    """
    rows, environments = buffer.reward.shape
    if rows < n_step + frame_stack:
        raise ValueError(
            f"replay.capacity: found {rows} steps of {environments} environments; allowed: at "
            f"least {n_step + frame_stack}, {n_step} steps and {frame_stack} frames"
        )
    # The row at the time lends its place to the observation to come; older frames of a stack must
    # not have been overwritten either.
    oldest = jnp.where(time < rows, 0, time - rows + frame_stack)
    for bound in (since, buffer.oldest):
        if isinstance(bound, jax.Array):
            oldest = jnp.maximum(oldest, bound)
    take = _taker(environments, key, batch_size)
    ahead = n_step if rewards is None else rewards
    oldest = jnp.minimum(oldest, time - ahead)  # a member's own bound may leave fewer steps
    start = jax.random.randint(key, (batch_size,), oldest, time - ahead + 1)
    window = (start[:, None] + jnp.arange(n_step)) % rows
    terminated = take(buffer.terminated, window)
    ended = terminated | take(buffer.truncated, window)
    reached = jnp.cumprod(jnp.pad(~ended[:, :-1], ((0, 0), (1, 0)), constant_values=True), axis=1)
    if rewards is not None:  # rows beyond are older than the buffer, or not yet written
        reached = reached * (jnp.arange(n_step) < rewards)
    steps = jnp.sum(reached, axis=1, dtype=jnp.int32)
    powers = discount ** jnp.arange(n_step, dtype=jnp.float32)
    return Batch(
        observation=seen(buffer, start, frame_stack, take),
        action=take(buffer.action, window[:, 0]),
        reward=jnp.sum(take(buffer.reward, window) * powers * reached, axis=1),
        discount=jnp.where(
            jnp.any(terminated & (reached > 0), axis=1),
            0.0,
            jnp.float32(discount) ** steps,
        ),
        next_observation=seen(buffer, start + steps, frame_stack, take),
        weight=take(buffer.valid, window[:, 0]).astype(jnp.float32),
    )


def _taker(environments: int, key: Key[Array, ""], batch_size: int) -> Any:
    """A function (leaf, rows [batch, ...]) -> entries, each sample's from one environment."""
    if environments == 1:
        return lambda leaf, row: leaf[:, 0][row]
    # At least 2: `randint` splits its key in two, and these are the keys that 0 and 1 would give.
    own_key = jax.random.fold_in(key, environments)
    chosen = jax.random.randint(own_key, (batch_size,), 0, environments)
    return lambda leaf, row: leaf[row, chosen.reshape(chosen.shape + (1,) * (row.ndim - 1))]
