"""The layers all networks are built from: dense, convolution, max pooling.

Every multiplication goes through a `DotGeneral` given from outside. The arrays that can be pruned
are exactly those named `kernel`. Kernels and biases start as U(-1/sqrt(fan_in), 1/sqrt(fan_in)),
PyTorch's default and so that of Stable-Baselines3.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from sparse_rl.dot_products import DotGeneral

Padding = Literal["SAME", "VALID"]


def uniform_by_fan_in(fan_in: int) -> Callable[..., Array]:
    """An initializer that draws from U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = 1.0 / math.sqrt(fan_in)

    def initialize(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return initialize


class Dense(nn.Module):
    """y = x W + b, with W [inputs, features] and b [features]."""

    features: int
    dot_general: DotGeneral = lax.dot_general

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch inputs"]) -> Float[Array, "batch features"]:
        fan_in = inputs.shape[-1]
        initializer = uniform_by_fan_in(fan_in)
        kernel = self.param("kernel", initializer, (fan_in, self.features))
        bias = self.param("bias", initializer, (self.features,))
        return self.dot_general(inputs, kernel, (((1,), (0,)), ((), ()))) + bias


class Convolution(nn.Module):
    """A 2-d convolution (cross-correlation, as everywhere in the field): patches times kernel.

    The kernel [size, size, channels, features] is stored as usual and multiplied as
    [size * size * channels, features], so that pruning and quantisation see one kind of layer, and
    so that a population's convolutions are one batched matrix product.
    """

    features: int
    size: int
    stride: int = 1
    padding: Padding = "VALID"
    dot_general: DotGeneral = lax.dot_general

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch rows columns features"]:
        channels = inputs.shape[-1]
        fan_in = self.size * self.size * channels
        initializer = uniform_by_fan_in(fan_in)
        kernel = self.param("kernel", initializer, (self.size, self.size, channels, self.features))
        bias = self.param("bias", initializer, (self.features,))
        patches = extract_patches(inputs, self.size, self.stride, self.padding)
        matrix = kernel.reshape(fan_in, self.features)
        return self.dot_general(patches, matrix, (((3,), (0,)), ((), ()))) + bias


def extract_patches(
    inputs: Float[Array, "batch height width channels"],
    size: int,
    stride: int = 1,
    padding: Padding = "VALID",
) -> Float[Array, "batch rows columns patch"]:
    """The window under every output position, flattened in the order (row, column, channel).

    With "VALID" padding rows = floor((height - size) / stride) + 1; with "SAME" zeros are added
    around the image so that rows = ceil(height / stride), the odd one at the end. `patch` is
    size * size * channels: the order of a kernel [size, size, channels, features].

    Raises:
        ValueError: if the image is smaller than the window.
    """
    if padding == "SAME":
        margins = [_same_margins(extent, size, stride) for extent in inputs.shape[1:3]]
        inputs = jnp.pad(inputs, ((0, 0), *margins, (0, 0)))
    _refuse_small_image(inputs.shape, size)
    # One axis after the other: 2 * size slices instead of size ** 2, and half the time.
    across_columns = jnp.concatenate(_shifted(inputs, 2, size, stride), axis=-1)
    return jnp.concatenate(_shifted(across_columns, 1, size, stride), axis=-1)


def max_pool(
    inputs: Float[Array, "batch height width channels"], size: int, stride: int
) -> Float[Array, "batch rows columns channels"]:
    """The largest value under a window, without padding; rows = floor((height - size)/stride) + 1.

    Columns first, rows second, as comparisons of slices: its gradient goes to the first of several
    equal maxima, as PyTorch's does, and needs no scatter.

    Raises:
        ValueError: if the image is smaller than the window.
    """
    _refuse_small_image(inputs.shape, size)
    across_columns = functools.reduce(_larger, _shifted(inputs, 2, size, stride))
    return functools.reduce(_larger, _shifted(across_columns, 1, size, stride))


def _shifted(images: Array, axis: int, size: int, stride: int) -> list[Array]:
    """For each place in a window, what the windows along `axis` have there."""
    span = images.shape[axis] - size + 1
    return [lax.slice_in_dim(images, offset, offset + span, stride, axis) for offset in range(size)]


def _larger(first: Array, second: Array) -> Array:
    return jnp.where(second > first, second, first)


def _same_margins(extent: int, size: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(extent / stride) - 1) * stride + size - extent, 0)
    return total // 2, total - total // 2


def _refuse_small_image(shape: Sequence[int], size: int) -> None:
    _, height, width, _ = shape
    if height < size or width < size:
        raise ValueError(
            f"observation: found an image of {height} x {width} at a layer with windows of "
            f"{size} x {size}; the image must be at least as large as the window"
        )
