"""Running mean and variance of observations, as Stable-Baselines3's VecNormalize keeps them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

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


def init(shape: tuple[int, ...]) -> RunningStatistics:
    """Mean 0 and variance 1, with next to no weight."""
    return RunningStatistics(jnp.float32(1e-4), jnp.zeros(shape), jnp.ones(shape))


def update(
    statistics: RunningStatistics, observation: Num[Array, "environments *observation"]
) -> RunningStatistics:
    """The statistics of all observations so far and of these.

    Chan, Golub and LeVeque (1983), equation 2.1: with n old and m new ones, d = mean_m - mean_n,

        mean = mean_n + d m / (n + m)
        variance = (n variance_n + m variance_m + d^2 n m / (n + m)) / (n + m)
    """
    observation = observation.astype(jnp.float32)
    added = observation.shape[0]
    total = statistics.seen + added
    difference = observation.mean(axis=0) - statistics.mean
    squares = (
        statistics.variance * statistics.seen
        + observation.var(axis=0) * added
        + jnp.square(difference) * statistics.seen * added / total
    )
    return RunningStatistics(total, statistics.mean + difference * added / total, squares / total)


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
