"""The multilayer perceptron, alone and as the end of a convolutional network."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float, Shaped

from sparse_rl.dot_products import FLOAT32, DotGeneral, DotProducts
from sparse_rl.networks.layers import Dense
from sparse_rl.networks.preprocessing import as_float32


class MLP(nn.Module):
    """Dense layers `hidden_0`, `hidden_1`, ... with a ReLU after each."""

    hidden: tuple[int, ...] = (256, 256)
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch *shape"]
    ) -> Float[Array, "batch features"]:
        return hidden_layers(as_float32(observation), self.hidden, self.dots.dense)


def hidden_layers(
    features: Float[Array, "batch *shape"], hidden: tuple[int, ...], dot_general: DotGeneral
) -> Float[Array, "batch features"]:
    """Flatten, then dense layers with ReLU; called inside a compact module, which owns them."""
    features = features.reshape(features.shape[0], -1)
    for index, size in enumerate(hidden):
        features = nn.relu(Dense(size, dot_general, name=f"hidden_{index}")(features))
    return features
