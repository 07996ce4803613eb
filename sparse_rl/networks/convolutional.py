"""Plain convolutional networks: MinAtar's and Nature's."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float, Shaped

from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.networks.layers import Convolution
from sparse_rl.networks.mlp import hidden_layers
from sparse_rl.networks.preprocessing import as_float32


class MinAtarCNN(nn.Module):
    """16 filters 3x3, then dense 128, a ReLU after each (Young and Tian 2019, arXiv 1903.03176)."""

    hidden: tuple[int, ...] = (128,)
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch height width channels"]
    ) -> Float[Array, "batch features"]:
        features = as_float32(observation)
        convolution = Convolution(16, 3, dot_general=self.dots.convolution, name="convolution_0")
        features = nn.relu(convolution(features))
        return hidden_layers(features, self.hidden, self.dots.dense)


class NatureCNN(nn.Module):
    """Filters/size/stride 32/8/4, 64/4/2, 64/3/1, then dense 512 (Mnih et al. 2015)."""

    hidden: tuple[int, ...] = (512,)
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch height width channels"]
    ) -> Float[Array, "batch features"]:
        features = as_float32(observation)
        for index, (filters, size, stride) in enumerate(((32, 8, 4), (64, 4, 2), (64, 3, 1))):
            convolution = Convolution(
                filters,
                size,
                stride,
                dot_general=self.dots.convolution,
                name=f"convolution_{index}",
            )
            features = nn.relu(convolution(features))
        return hidden_layers(features, self.hidden, self.dots.dense)
