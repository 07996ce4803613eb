"""What of a replay buffer is drawn: how far ahead of a transition, and how far back.

What is a function of the clock alone is no state: a fork and a resumed run see the same, and all
members at once. Which steps a policy has moved away from is a member's own, `ReplayBuffer.oldest`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from sparse_rl.memory import replay
from sparse_rl.memory.replay import ReplayBuffer

Act = Callable[[Num[Array, "environments *observation"]], Float[Array, "environments *action"]]


def rewards_now(clock: Int[Array, ""], n_step: int, begin: int) -> Int[Array, ""] | None:
    """Rewards that a target sums at `clock`: 1 before `begin`, `n_step` from then on.

    Multi-step targets once the policy has learned something (RLx2; Tan et al. 2023, arXiv
    2205.15043). None where it is `n_step` always.
    """
    return jnp.where(clock < begin, 1, n_step) if begin > 0 else None


def oldest_kept(time: Int[Array, ""], emptied: Sequence[int], least: int) -> Int[Array, ""] | None:
    """The oldest step that may be drawn at `time` of a buffer that was emptied at steps `emptied`.

    The last `least` steps before `time` are never lost, so that there is something to learn from
    right after. None where it never was.
    """
    if not emptied:
        return None
    steps = np.asarray(emptied, np.int32)
    last = jnp.max(jnp.where(steps <= time, steps, 0))
    return jnp.maximum(jnp.minimum(last, time - least), 0)


class Shrinking(NamedTuple):
    """The dynamic buffer of RLx2: what the policy has moved away from is forgotten.

    Every `every` steps the oldest 8 batches are looked at. Where the policy's actions of now are
    further from those of then than `threshold`,

        1/2 mean (pi_now(s) - pi_then(s))^2 > threshold,

    the oldest tenth of the buffer goes, as long as more than `least` steps are there. Before step
    `starts` actions are random, and count as the policy's.
    """

    threshold: float
    every: int
    least: int
    batch_size: int
    starts: int = 0


def shrunk(
    buffer: ReplayBuffer,
    time: Int[Array, ""],
    rule: Shrinking,
    then: Float[Array, "rows environments *action"],
    act: Act,
    frame_stack: int,
) -> ReplayBuffer:
    """The buffer after a look at `time`; `then` are the policy's actions when rows were written."""
    rows, environments = buffer.reward.shape
    oldest = jnp.maximum(jnp.asarray(buffer.oldest), time - rows + frame_stack)
    size = time - oldest
    looked_at = oldest + jnp.arange(min(-(-8 * rule.batch_size // environments), rows))
    now = jax.vmap(lambda t: act(replay.observe(buffer, t, frame_stack)))(looked_at)
    counts: Bool[Array, "times environments"] = (looked_at < time)[:, None] & buffer.valid[
        looked_at % rows
    ]
    squares = jnp.square(now - then[looked_at % rows]).reshape(*counts.shape, -1).mean(axis=-1)
    distance = 0.5 * jnp.sum(squares * counts) / jnp.maximum(counts.sum(), 1)
    forgotten = (distance > rule.threshold) & (size * environments > rule.least)
    return buffer._replace(oldest=oldest + jnp.where(forgotten, size // 10, 0))
