"""The residual network of IMPALA (Espeholt et al. 2018, arXiv 1802.01561, figure 3, right)."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float, Shaped

from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.networks.layers import Convolution, max_pool
from sparse_rl.networks.mlp import hidden_layers
from sparse_rl.networks.preprocessing import as_float32


class ResidualBlock(nn.Module):
    """x + convolution_1(relu(convolution_0(relu(x)))), both 3x3 with as many channels as x."""

    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        features = inputs
        for index in range(2):
            convolution = Convolution(
                inputs.shape[-1],
                3,
                padding="SAME",
                dot_general=self.dots.convolution,
                name=f"convolution_{index}",
            )
            features = convolution(nn.relu(features))
        return inputs + features


class Stack(nn.Module):
    """Convolution 3x3, max pooling 3 with stride 2, both without padding; two residual blocks."""

    channels: int
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch rows columns features"]:
        convolution = Convolution(
            self.channels, 3, dot_general=self.dots.convolution, name="convolution"
        )
        features = max_pool(convolution(inputs), 3, 2)
        for index in range(2):
            features = ResidualBlock(self.dots, name=f"block_{index}")(features)
        return features


class ImpalaResNet(nn.Module):
    """Three stacks with 32, 64 and 64 channels, ReLU, flatten, dense 512 with ReLU.

    An image of 84 x 84 x 4 ends as 7 x 7 x 64 = 3136 features and takes 1,995,168 parameters.
    Without padding in the stacks' first layers it is the network that Ivanov et al. (arXiv
    2405.07748) ran, smaller than the one IMPALA printed.
    """

    hidden: tuple[int, ...] = (512,)
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch height width channels"]
    ) -> Float[Array, "batch features"]:
        features = as_float32(observation)
        for index, channels in enumerate((32, 64, 64)):
            features = Stack(channels, self.dots, name=f"stack_{index}")(features)
        return hidden_layers(nn.relu(features), self.hidden, self.dots.dense)
