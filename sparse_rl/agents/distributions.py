"""Distributions over actions, from a policy's outputs; every method works on a batch."""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, Num


class Distribution(Protocol):
    """What on-policy agents ask of a distribution."""

    def sample(self, key: Key[Array, ""]) -> Num[Array, "batch *action"]: ...
    def mode(self) -> Num[Array, "batch *action"]: ...
    def log_prob(self, action: Num[Array, "batch *action"]) -> Float[Array, " batch"]: ...
    def entropy(self) -> Float[Array, " batch"]: ...
    def divergence(self, other: Self) -> Float[Array, " batch"]: ...


class Categorical(NamedTuple):
    """p(a) = softmax(logits)_a over the actions 0 ... n - 1."""

    logits: Float[Array, "batch actions"]

    def sample(self, key: Key[Array, ""]) -> Int[Array, " batch"]:
        return jax.random.categorical(key, self.logits).astype(jnp.int32)

    def mode(self) -> Int[Array, " batch"]:
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def log_prob(self, action: Int[Array, " batch"]) -> Float[Array, " batch"]:
        log_p = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_p, action[:, None], axis=1)[:, 0]

    def entropy(self) -> Float[Array, " batch"]:
        """-sum_a p(a) log p(a)."""
        log_p = jax.nn.log_softmax(self.logits)
        return -(jnp.exp(log_p) * log_p).sum(axis=-1)

    def divergence(self, other: Categorical) -> Float[Array, " batch"]:
        """KL(self, other) = sum_a p(a) (log p(a) - log q(a))."""
        log_p, log_q = jax.nn.log_softmax(self.logits), jax.nn.log_softmax(other.logits)
        return (jnp.exp(log_p) * (log_p - log_q)).sum(axis=-1)


class DiagonalGaussian(NamedTuple):
    """Independent normal distributions; `log_std` is the same for all observations.

    Samples may lie outside [-1, 1]; the environment clips them, and the log-probability is that of
    what was sampled, as in Stable-Baselines3.
    """

    mean: Float[Array, "batch action"]
    log_std: Float[Array, " action"]

    def sample(self, key: Key[Array, ""]) -> Float[Array, "batch action"]:
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def mode(self) -> Float[Array, "batch action"]:
        return self.mean

    def log_prob(self, action: Float[Array, "batch action"]) -> Float[Array, " batch"]:
        """-((a - mean) / std)^2 / 2 - log std - log(2 pi) / 2, summed over the dimensions."""
        standardized = (action - self.mean) * jnp.exp(-self.log_std)
        each = -0.5 * jnp.square(standardized) - self.log_std - 0.5 * jnp.log(2.0 * jnp.pi)
        return each.sum(axis=-1)

    def entropy(self) -> Float[Array, " batch"]:
        """sum of 1/2 + log(2 pi) / 2 + log std."""
        total = (0.5 + 0.5 * jnp.log(2.0 * jnp.pi) + self.log_std).sum()
        return jnp.broadcast_to(total, self.mean.shape[:1])

    def divergence(self, other: DiagonalGaussian) -> Float[Array, " batch"]:
        """KL(self, other), in each dimension with s = std(self) / std(other):

        (s^2 - 1) / 2 - log s + ((mean(self) - mean(other)) / std(other))^2 / 2
        """
        log_ratio = self.log_std - other.log_std
        distance = (self.mean - other.mean) * jnp.exp(-other.log_std)
        each = 0.5 * jnp.expm1(2.0 * log_ratio) - log_ratio + 0.5 * jnp.square(distance)
        return each.sum(axis=-1)
