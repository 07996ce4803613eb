"""What policies are worth: whole episodes of all of them side by side, from the same starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sparse_rl.envs import VectorEnv
from sparse_rl.playing.play import Act, all_finite, play, random_policy

MOST_AT_ONCE = 2_000
"""Environments that are played side by side."""
_OBSERVATIONS = 2_000
"""Kept of each original's episodes, for calibration and for timing."""


class Met(NamedTuple):
    """The returns of one policy's episodes, and the first observations that it met."""

    returns: Float[np.ndarray, " episodes"]
    observations: NDArray


def judge(
    policies: Sequence[Act],
    environment: VectorEnv,
    episodes: int,
    seed: int,
    told: Callable[[float], None] = lambda share: None,
) -> Float[np.ndarray, "policies episodes"]:
    """Returns of `episodes` episodes of every policy, all from the same starts.

    The starts, and whatever the environment draws on the way, depend on the seed alone. nan where
    an action was not finite. `told` hears which share of it is done, the last time 1.
    """
    together = max(1, MOST_AT_ONCE // episodes)
    rows = []
    for begin in range(0, len(policies), together):
        own = list(policies[begin : begin + together])
        count = len(own)
        # Filled up, so that the environment is compiled for one number of copies.
        own += own[:1] * (min(together, len(policies)) - len(own))
        act, part = _side_by_side(own), partial(_told_of_all, told, begin, count, len(policies))
        played = play(act, environment, episodes, seed, copies=len(own), told=part)
        rows.append(played.returns.reshape(len(own), episodes))
    return np.concatenate(rows)[: len(policies)]


def _told_of_all(
    told: Callable[[float], None], before: int, now: int, policies: int, share: float
) -> None:
    """The share of all policies' episodes, when so much is done of those that play now."""
    told((before + share * now) / policies)


def meet(policies: Sequence[Act], environment: VectorEnv, episodes: int, seed: int) -> list[Met]:
    """The returns of whole episodes of every policy, from the same starts, and what it met in them.

    Observations that are not finite are left out, and so is all that is seen in place of an episode
    that has ended: on the host these are zeros, by which nothing is to be calibrated.
    """
    return [_met(act, environment, episodes, seed) for act in policies]


def _met(act: Act, environment: VectorEnv, episodes: int, seed: int) -> Met:
    played = play(act, environment, episodes, seed, keep=_OBSERVATIONS)
    seen = played.observations
    return Met(played.returns, seen[all_finite(seen)])


def at_random(environment: VectorEnv, episodes: int, seed: int) -> Float[np.ndarray, " episodes"]:
    """Returns of acting at random."""
    return judge([random_policy(environment.spec, seed)], environment, episodes, seed)[0]


def _side_by_side(policies: Sequence[Act]) -> Act:
    """One policy of all copies: the first of as many equal parts acts as the first, and so on."""

    def act(seen: NDArray) -> NDArray:
        parts = np.split(seen, len(policies))
        return np.concatenate([one(part) for one, part in zip(policies, parts, strict=True)])

    return act
