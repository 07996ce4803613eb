"""Running mean and variance of observations, as Stable-Baselines3's VecNormalize keeps them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.memory.rollout import Rollout
from sparse_rl.spaces import EnvSpec
from sparse_rl.sparsity.masks import Params

EPSILON = 1e-8
"""Added to the variance before its root is taken."""
CLIP = 10.0
"""Normalized observations stay within this distance of zero."""
LAYER = "normalize"
"""Name of the operation that normalizes, at the head of a policy's network."""


class RunningStatistics(NamedTuple):
    """Mean and (population) variance of the observations seen so far, and how many these are."""

    seen: Float[Array, ""]
    mean: Float[Array, "*observation"]
    variance: Float[Array, "*observation"]


def check(config: Config, spec: EnvSpec) -> None:
    """Raises `ConfigError` where observations are to be normalized that are no single vectors."""
    kind = np.dtype(spec.observation_dtype)
    if config.network.normalize and (kind != np.float32 or spec.frame_stack > 1):
        found = f"{spec.frame_stack} stacked frames" if spec.frame_stack > 1 else f"{kind}"
        raise ConfigError(
            f"network.normalize: found true, and {spec.name} gives {found}; allowed: true for "
            f"single float32 observations, which pixels and planes are not"
        )


def init(shape: tuple[int, ...]) -> RunningStatistics:
    """Mean 0 and variance 1, with next to no weight."""
    return RunningStatistics(jnp.float32(1e-4), jnp.zeros(shape), jnp.ones(shape))


def update(
    statistics: RunningStatistics, observation: Num[Array, "environments *observation"]
) -> RunningStatistics:
    """The statistics of all observations so far and of these."""
    observation = observation.astype(jnp.float32)
    return _merged(
        statistics, observation.shape[0], observation.mean(axis=0), observation.var(axis=0)
    )


def _merged(
    before: RunningStatistics | ReturnStatistics,
    added: int | Float[Array, ""],
    mean: Float[Array, "*observation"],
    variance: Float[Array, "*observation"],
) -> RunningStatistics:
    """The statistics with `added` numbers of this mean and variance.

    Chan, Golub and LeVeque (1983), equation 2.1: with n old and m new ones, d = mean_m - mean_n,

        mean = mean_n + d m / (n + m)
        variance = variance_n + (variance_m + d^2 n / (n + m) - variance_n) m / (n + m)

    So the share of the new ones, and not n, is what is rounded: where n + m is n in float32, from
    2^24 steps on, they count as one in n for ever.
    """
    total = before.seen + added
    share, old = added / total, before.seen / total
    difference = mean - before.mean
    own = variance + jnp.square(difference) * old
    return RunningStatistics(
        total,
        before.mean + difference * share,
        before.variance + (own - before.variance) * share,
    )


def apply(
    statistics: RunningStatistics | tuple[()], observation: Num[Array, "batch *observation"]
) -> Num[Array, "batch *observation"]:
    """clip((x - mean) / sqrt(variance + epsilon), -10, 10); x itself without statistics."""
    if not isinstance(statistics, RunningStatistics):
        return observation
    scaled = (observation - statistics.mean) / jnp.sqrt(statistics.variance + EPSILON)
    return jnp.clip(scaled, -CLIP, CLIP)


def variables(params: Params, statistics: RunningStatistics | tuple[()]) -> Params:
    """A policy's parameters, with the mean and variance that its first operation reads."""
    if not isinstance(statistics, RunningStatistics):
        return params
    read = {"mean": statistics.mean, "variance": statistics.variance}
    return {**params, "statistics": {LAYER: read}}


class ReturnStatistics(NamedTuple):
    """Running variance of discounted returns, and each environment's return so far."""

    seen: Float[Array, ""]
    mean: Float[Array, ""]
    variance: Float[Array, ""]
    running: Float[Array, " environments"]


def init_returns(environments: int) -> ReturnStatistics:
    """Mean 0 and variance 1, with next to no weight."""
    return ReturnStatistics(
        jnp.float32(1e-4), jnp.float32(0), jnp.float32(1), jnp.zeros(environments)
    )


def scaled_rewards(
    statistics: ReturnStatistics, steps: Rollout, discount: float
) -> tuple[ReturnStatistics, Float[Array, "steps environments"]]:
    """Rewards over the deviation of the return so far, clip(r / sqrt(variance + epsilon), -10, 10).

    Step by step, as VecNormalize does: the return R <- discount R + r of every environment goes
    into the variance, then the rewards are divided, then R is 0 where an episode ended. Resets
    count for nothing.
    """

    def one(
        before: ReturnStatistics, step: tuple[Array, Array, Array]
    ) -> tuple[ReturnStatistics, Float[Array, " environments"]]:
        reward, ended, valid = step
        weight = valid.astype(jnp.float32)
        running = jnp.where(valid, discount * before.running + reward, before.running)
        added = weight.sum()
        mean = (running * weight).sum() / jnp.maximum(added, 1.0)
        variance = (jnp.square(running - mean) * weight).sum() / jnp.maximum(added, 1.0)
        merged = _merged(before, added, mean, variance)
        after = ReturnStatistics(*merged, jnp.where(ended, 0.0, running))
        scaled = reward / jnp.sqrt(after.variance + EPSILON)
        return after, jnp.clip(scaled, -CLIP, CLIP)

    ended = steps.terminated | steps.truncated
    return jax.lax.scan(one, statistics, (steps.reward, ended, steps.valid))
