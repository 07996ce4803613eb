"""One Flax module that interprets a network's data, with its parameters under the data's names."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Shaped

from sparse_rl.architecture import (
    Block,
    Convolution,
    Dense,
    Flatten,
    LayerNorm,
    MaxPool,
    Network,
    Normalize,
    Observation,
    Operation,
    Relu,
    Residual,
    Tanh,
)
from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.networks import layers


class FlaxNetwork(nn.Module):
    """The outputs of every head, by its name.

    `apply(variables, observation)` takes {"params": {layer: {"kernel", "bias"}}}; where the network
    has a `Normalize`, {"statistics": {its name: {"mean", "variance"}}} beside them; and with fixed
    scales {"ranges": {layer: {"largest_input"}}}.
    """

    network: Network
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch *shape"]
    ) -> dict[str, Float[Array, "batch features"]]:
        features = as_float32(observation, self.network.observation)
        features = interpret(self.network.operations, features, self.dots, self.network.measures)
        return {head.name: interpret((head,), features, self.dots) for head in self.network.heads}


def interpret(
    operations: tuple[Operation, ...],
    features: Float[Array, "batch *shape"],
    dots: DotProducts,
    measures: bool = False,
) -> Float[Array, "batch *after"]:
    """One operation after the other; called inside a compact module, which owns the layers.

    `measures` says that the first one is a dense layer on an observation of several quantities.
    """
    fixed = dots.fixed
    for position, operation in enumerate(operations):
        match operation:
            case Dense(name, size, initializer):
                each = measures and position == 0
                layer = layers.Dense(size, initializer, dots.dense, fixed, each, name=name)
                features = layer(features)
            case Convolution(name, size, window, strides, padding, initializer):
                features = layers.Convolution(
                    size, window, strides, padding, initializer, dots.convolution, fixed, name=name
                )(features)
            case Relu():
                features = nn.relu(features)
            case Tanh():
                features = jnp.tanh(features)
            case LayerNorm(name, epsilon):
                features = layers.LayerNorm(epsilon, name=name)(features)
            case Normalize(name, epsilon, limit):
                features = layers.Normalize(epsilon, limit, name=name)(features)
            case MaxPool(window, strides, padding):
                features = layers.max_pool(features, window, strides, padding)
            case Flatten():
                features = features.reshape(features.shape[0], -1)
            case Block(name, body):
                features = Scope(body, dots, name=name)(features)
            case Residual(name, body):
                features = features + Scope(body, dots, name=name)(features)
            case _:
                raise TypeError(f"unknown operation {operation!r}")
    return features


class Scope(nn.Module):
    """Operations whose parameters lie in a scope of their own."""

    operations: tuple[Operation, ...]
    dots: DotProducts

    @nn.compact
    def __call__(self, features: Float[Array, "batch *shape"]) -> Float[Array, "batch *after"]:
        return interpret(self.operations, features, self.dots)


def as_float32(
    stored: Shaped[Array, "batch *shape"], observation: Observation
) -> Float[Array, "batch *shape"]:
    """Observations as they are stored, made into what a network computes with: value / divisor.

    Raises:
        ValueError: for another dtype than the network reads.
    """
    if stored.dtype != jnp.dtype(observation.dtype):
        raise ValueError(
            f"observation dtype: found {stored.dtype}, the network reads {observation.dtype}"
        )
    values = stored.astype(jnp.float32)
    return values if observation.divisor == 1 else values / observation.divisor
