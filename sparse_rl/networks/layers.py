"""The layers with parameters, and max pooling.

Every multiplication goes through a `DotGeneral` given from outside. The arrays that can be pruned
are exactly those named `kernel`.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import sequential_vmap
from jaxtyping import Float

from sparse_rl.architecture import LARGEST_INPUT
from sparse_rl.architecture.operations import UNIFORM, Initializer, Padding
from sparse_rl.architecture.shapes import padding_before_and_after, window_count
from sparse_rl.dot_products import DotGeneral, FixedScales

RANGES = "ranges"
"""The collection in which layers with fixed scales remember their largest inputs."""

Shape = tuple[int, ...]
Initialize = Callable[..., Array]


def kernel_and_bias(initializer: Initializer, fan_in: int) -> tuple[Initialize, Initialize]:
    """Flax initializers of a layer's kernel and bias, by the rules of `architecture.Initializer`.

    Raises:
        ValueError: for a scheme that there is not.
    """
    if initializer.scheme == "orthogonal":
        return _orthogonal(initializer.gain), nn.initializers.zeros
    if initializer.scheme != "uniform":
        raise ValueError(
            f"initializer: found {initializer.scheme!r}, allowed are uniform and orthogonal"
        )
    bound = initializer.gain / math.sqrt(fan_in)

    def uniform(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return uniform, uniform


def _orthogonal(gain: float) -> Initialize:
    """`gain` times an orthogonal matrix."""
    make = nn.initializers.orthogonal(gain)

    def orthogonal(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        # One after the other: jaxlib 0.10.2 shares a batch of QR factorizations among the threads
        # that devices on a CPU run on, and where all of these wait for one another it never ends.
        one: Array = sequential_vmap(lambda key: make(key, shape, dtype))(key)
        return one

    return orthogonal


def remembered(
    layer: nn.Module, fixed: FixedScales, inputs: Float[Array, "batch *shape"], shape: Shape
) -> Float[Array, "*inputs"]:
    """The largest |input| that a layer has met, of the given shape, before these inputs.

    Where the collection "ranges" may change, they count for the next time.
    """
    largest = layer.variable(RANGES, LARGEST_INPUT, jnp.zeros, shape)
    before = largest.value
    if layer.is_mutable_collection(RANGES) and not layer.is_initializing():
        largest.value = fixed.largest(before, inputs)
    return before


class Dense(nn.Module):
    """y = x W + b, with W [inputs, features] and b [features].

    With fixed scales the layer remembers its largest input: one number, or, with `each_input`, one
    for each of them.
    """

    features: int
    initializer: Initializer = UNIFORM
    dot_general: DotGeneral = lax.dot_general
    fixed: FixedScales | None = None
    each_input: bool = False

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch inputs"]) -> Float[Array, "batch features"]:
        fan_in = inputs.shape[-1]
        for_kernel, for_bias = kernel_and_bias(self.initializer, fan_in)
        kernel = self.param("kernel", for_kernel, (fan_in, self.features))
        bias = self.param("bias", for_bias, (self.features,))
        if self.fixed is not None:
            largest = remembered(self, self.fixed, inputs, (fan_in,) if self.each_input else ())
            return self.fixed.affine(self.dot_general, inputs, kernel, bias, largest)
        return self.dot_general(inputs, kernel, (((1,), (0,)), ((), ()))) + bias


class Convolution(nn.Module):
    """A 2-d convolution (cross-correlation, as everywhere in the field): patches times kernel.

    The kernel [*window, channels, features] is stored as usual and multiplied as
    [window size * channels, features], so that pruning and quantization see one kind of layer, and
    so that a population's convolutions are one batched matrix product.
    """

    features: int
    window: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: Padding = "VALID"
    initializer: Initializer = UNIFORM
    dot_general: DotGeneral = lax.dot_general
    fixed: FixedScales | None = None

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch rows columns features"]:
        channels = inputs.shape[-1]
        fan_in = math.prod(self.window) * channels
        for_kernel, for_bias = kernel_and_bias(self.initializer, fan_in)
        kernel = self.param("kernel", for_kernel, (*self.window, channels, self.features))
        bias = self.param("bias", for_bias, (self.features,))
        matrix = kernel.reshape(fan_in, self.features)
        if self.fixed is not None:
            patches = extract_patches(inputs, self.window, self.strides, self.padding)
            largest = remembered(self, self.fixed, inputs, ())
            return self.fixed.affine(self.dot_general, patches, matrix, bias, largest)
        whole = _to_the_end(inputs, self.window, self.strides, self.padding)
        patches = extract_patches(whole, self.window, self.strides, self.padding)
        product = self.dot_general(patches, matrix, (((3,), (0,)), ((), ())))
        rows, columns = (
            window_count(
                inputs.shape[1 + axis], self.window[axis], self.strides[axis], self.padding
            )
            for axis in (0, 1)
        )
        return product[:, :rows, :columns] + bias


class LayerNorm(nn.Module):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis.

    The variance is the mean of (x - mean)^2, computed in this way and not as a difference of two
    means, so that features far from zero lose nothing.
    """

    epsilon: float

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        scale = self.param("scale", nn.initializers.ones, inputs.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, inputs.shape[-1:])
        centered = inputs - inputs.mean(axis=-1, keepdims=True)
        variance = jnp.square(centered).mean(axis=-1, keepdims=True)
        return centered / jnp.sqrt(variance + self.epsilon) * scale + bias


class Normalize(nn.Module):
    """clip((x - mean) / sqrt(variance + epsilon), -limit, limit), by the collection "statistics".

    Nothing flows back into the statistics; whoever collects them writes them.
    """

    epsilon: float
    limit: float

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        shape = inputs.shape[1:]
        mean = self.variable("statistics", "mean", jnp.zeros, shape).value
        variance = self.variable("statistics", "variance", jnp.ones, shape).value
        mean, variance = lax.stop_gradient((mean, variance))
        scaled = (inputs - mean) / jnp.sqrt(variance + self.epsilon)
        return jnp.clip(scaled, -self.limit, self.limit)


def extract_patches(
    inputs: Float[Array, "batch height width channels"],
    window: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: Padding = "VALID",
) -> Float[Array, "batch rows columns patch"]:
    """The window under every output position, flattened in the order (row, column, channel).

    With "VALID" padding rows = floor((height - window) / stride) + 1; with "SAME" zeros are added
    around the image so that rows = ceil(height / stride), the odd one at the end. `patch` is
    window size * channels: the order of a kernel [*window, channels, features].

    Raises:
        ValueError: if the image is smaller than the window.
    """
    inputs = _padded(inputs, window, strides, padding, 0)
    # One axis after the other: 2 * size slices instead of size ** 2, and half the time.
    across_columns = jnp.concatenate(_shifted(inputs, 2, window, strides), axis=-1)
    return jnp.concatenate(_shifted(across_columns, 1, window, strides), axis=-1)


def max_pool(
    inputs: Float[Array, "batch height width channels"],
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding = "VALID",
) -> Float[Array, "batch rows columns channels"]:
    """The largest value under a window; rows as for `extract_patches`, the border is no value.

    Columns first, rows second, as comparisons of slices: its gradient goes to the first of several
    equal maxima, as PyTorch's does, and needs no scatter.

    Raises:
        ValueError: if the image is smaller than the window.
    """
    inputs = _padded(inputs, window, strides, padding, -jnp.inf)
    across_columns = functools.reduce(_larger, _shifted(inputs, 2, window, strides))
    return functools.reduce(_larger, _shifted(across_columns, 1, window, strides))


def _padded(
    inputs: Array,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
    fill: float,
) -> Array:
    """The image with the border that its padding asks for; refused where no window fits."""
    if padding == "SAME":
        margins = [
            padding_before_and_after(inputs.shape[axis + 1], window[axis], strides[axis], padding)
            for axis in (0, 1)
        ]
        inputs = jnp.pad(inputs, ((0, 0), *margins, (0, 0)), constant_values=fill)
    _, height, width, _ = inputs.shape
    if height < window[0] or width < window[1]:
        raise ValueError(
            f"observation: found an image of {height} x {width} at a layer with windows of "
            f"{window[0]} x {window[1]}; the image must be at least as large as the window"
        )
    return inputs


def _to_the_end(
    inputs: Array, window: tuple[int, int], strides: tuple[int, int], padding: Padding
) -> Array:
    """The image with zeros behind it, so that windows meet its last pixels as well.

    A scale that is found anew for each observation is that of the whole image, in a delivered actor
    too, and a product sees only what windows meet. What a stride larger than its window leaves out
    is not met even so.
    """
    sizes = inputs.shape[1:3]
    if padding == "SAME" or sizes[0] < window[0] or sizes[1] < window[1]:
        return inputs
    behind = [(window[axis] - sizes[axis]) % strides[axis] for axis in (0, 1)]
    if not any(behind):
        return inputs
    return jnp.pad(inputs, ((0, 0), (0, behind[0]), (0, behind[1]), (0, 0)))


def _shifted(
    images: Array, axis: int, window: tuple[int, int], strides: tuple[int, int]
) -> list[Array]:
    """For each place in a window, what the windows along `axis` have there."""
    size, stride = window[axis - 1], strides[axis - 1]
    span = images.shape[axis] - size + 1
    return [lax.slice_in_dim(images, offset, offset + span, stride, axis) for offset in range(size)]


def _larger(first: Array, second: Array) -> Array:
    return jnp.where(second > first, second, first)
