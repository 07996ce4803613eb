"""The steps since the last update, in their order, and what they were worth.

They lie in a replay buffer of a few rows more, so that storing them, frames and resets are the same
for all agents.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from sparse_rl.memory import replay
from sparse_rl.memory.replay import ReplayBuffer


class Rollout(NamedTuple):
    """Steps 0 ... T - 1 of E environments; there is one observation more, that after the last.

    The observation after step t is that of step t + 1, also where an episode ended: the new one
    begins after the reset, whose step is not `valid`.
    """

    observation: Num[Array, "steps_and_one environments *observation"]
    action: Num[Array, "steps environments *action"]
    reward: Float[Array, "steps environments"]
    terminated: Bool[Array, "steps environments"]
    truncated: Bool[Array, "steps environments"]
    valid: Bool[Array, "steps environments"]
    extras: Any


def rows(steps: int, frame_stack: int) -> int:
    """Rows of a replay buffer that holds a rollout, with the frames before it."""
    return steps + frame_stack


def last_steps(
    buffer: ReplayBuffer, time: Int[Array, ""], steps: int, frame_stack: int = 1
) -> Rollout:
    """The last `steps` steps before `time`."""
    count = buffer.reward.shape[0]
    times = time - steps + jnp.arange(steps + 1)
    window = times[:-1] % count

    def of_rows(leaf: Num[Array, "rows *row"]) -> Num[Array, "steps *row"]:
        return leaf[window]

    return Rollout(
        observation=replay.seen(buffer, times, frame_stack, lambda leaf, row: leaf[row]),
        action=of_rows(buffer.action),
        reward=of_rows(buffer.reward),
        terminated=of_rows(buffer.terminated),
        truncated=of_rows(buffer.truncated),
        valid=of_rows(buffer.valid),
        extras=jax.tree.map(of_rows, buffer.extras),
    )


def in_one_row(leaf: Num[Array, "steps environments *row"]) -> Num[Array, "batch *row"]:
    """All steps of all environments on one axis, the first step of every environment first."""
    return leaf.reshape(-1, *leaf.shape[2:])


def advantages(
    rollout: Rollout,
    values: Float[Array, "steps_and_one environments"],
    discount: float,
    gae_lambda: float,
) -> Float[Array, "steps environments"]:
    """Generalized advantage estimates (Schulman et al. 2016, arXiv 1506.02438, equation 16).

        delta_t = r_t + discount V(s_{t+1}) - V(s_t),  A_t = delta_t + discount lambda A_{t+1}

    V(s_{t+1}) is 0 where the episode terminated, and is counted where a time limit cut it; A_{t+1}
    is 0 in both cases. At resets, which teach nothing, it is 0.
    """
    ended = rollout.terminated | rollout.truncated
    following = jnp.where(rollout.terminated, 0.0, values[1:])
    delta = rollout.reward + discount * following - values[:-1]

    def before(
        later: Float[Array, " environments"],
        step: tuple[Float[Array, " environments"], Bool[Array, " environments"]],
    ) -> tuple[Float[Array, " environments"], Float[Array, " environments"]]:
        delta, ended = step
        advantage = delta + discount * gae_lambda * jnp.where(ended, 0.0, later)
        return advantage, advantage

    nothing = jnp.zeros_like(delta[0])
    _, found = jax.lax.scan(before, nothing, (delta, ended), reverse=True)
    return jnp.where(rollout.valid, found, 0.0)


def lambda_returns(
    rollout: Rollout,
    values: Float[Array, "steps_and_one environments"],
    discount: float,
    return_lambda: float,
) -> Float[Array, "steps environments"]:
    """Lambda returns, the advantages of `advantages` plus the value that was taken from them.

        G_t = r_t + discount ((1 - lambda) V(s_{t+1}) + lambda G_{t+1})

    G_{t+1} is V(s_{t+1}) at the end of the rollout and where a time limit cut the episode; both
    are 0 where it terminated. With V(s) = max_a Q(s, a) these are the returns of Peng's Q(lambda)
    (Peng and Williams 1996; Gallici et al. 2024, arXiv 2407.04811, section 4).
    """
    return advantages(rollout, values, discount, return_lambda) + values[:-1]
