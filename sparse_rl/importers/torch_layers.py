"""PyTorch's layers as ours: kernels transposed, images with channels last.

PyTorch's linear layer has a weight [outputs, inputs], its convolution [outputs, inputs, height,
width], and it flattens an image in the order channel, row, column where we have row, column,
channel. So the layer behind a flattened image has its inputs in another order here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Clip, Flatten, Output, Relu, Squash, Tanh
from sparse_rl.artifact.graph import Convolution, Dense, Operation
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers.imported import OutputError
from sparse_rl.importers.numpy_arrays import float32_of

Tensors = Mapping[str, NDArray]
Shape = tuple[int, ...]


class Stride(NamedTuple):
    """A convolution of known stride: `name` of its tensors, stride in both directions."""

    name: str
    stride: int


NATURE = (4, 2, 1)
"""Strides of the three convolutions of Mnih et al. 2015."""


def tensor(tensors: Tensors, name: str) -> NDArray[np.float32]:
    """A tensor as finite float32; raises ValueError where it is missing or not."""
    if name not in tensors:
        raise ValueError(f"{name} is missing; found: {', '.join(list(tensors)[:20]) or 'nothing'}")
    return float32_of(tensors[name], name)


def dense(tensors: Tensors, name: str, flattened: Shape | None = None) -> Dense:
    """`name`.weight and `name`.bias of a linear layer; `flattened` is the image before it.

    Raises ValueError where they are missing or do not fit.
    """
    weight, bias = tensor(tensors, f"{name}.weight"), tensor(tensors, f"{name}.bias")
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(f"{name}: weight {weight.shape} and bias {bias.shape} of no linear layer")
    return dense_of(weight.T, bias, flattened, name)


def dense_of(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], flattened: Shape | None, name: str
) -> Dense:
    """The layer of a kernel [inputs, outputs] whose inputs may be an image in PyTorch's order."""
    if flattened is not None:
        height, width, channels = flattened
        if len(kernel) != height * width * channels:
            raise ValueError(f"{name}: {len(kernel)} inputs after an image {flattened}")
        ordered = kernel.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
        kernel = ordered.reshape(len(kernel), -1)
    return Dense(Weights(np.ascontiguousarray(kernel)), bias)


def convolution(tensors: Tensors, layer: Stride) -> Convolution:
    """The tensors of a convolution without padding. ValueError where they do not fit."""
    name, stride = layer
    weight, bias = tensor(tensors, f"{name}.weight"), tensor(tensors, f"{name}.bias")
    if weight.ndim != 4 or bias.shape != weight.shape[:1] or not weight.size:
        raise ValueError(f"{name}: weight {weight.shape} and bias {bias.shape} of no convolution")
    kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    return Convolution(Weights(kernel), bias, (stride, stride))


def numbered(tensors: Tensors, prefix: str) -> list[str]:
    """Names of the layers 0, 2, 4, ... of a Sequential; empty where it has none.

    Raises ValueError where there are others than these: something stands between them that has
    parameters, or there are two activations.
    """
    start = f"{prefix}."
    found = {name[len(start) :].partition(".")[0] for name in tensors if name.startswith(start)}
    expected = [str(2 * k) for k in range(len(found))]
    if found != set(expected):
        raise ValueError(
            f"{prefix}: has the layers {', '.join(sorted(found)[:20])}; "
            f"allowed: linear layers 0, 2, 4, ..."
        )
    return [start + number for number in expected]


def perceptron(
    tensors: Tensors,
    names: Sequence[str],
    activation: Relu | Tanh,
    flattened: Shape | None = None,
) -> list[Operation]:
    """Linear layers with `activation` between them."""
    steps: list[Operation] = []
    for name in names:
        steps += [dense(tensors, name, flattened), activation]
        flattened = None
    return steps[:-1]


def clipped_to(
    layer: Dense, low: Sequence[float], high: Sequence[float], name: str = "action space"
) -> tuple[Dense, Clip]:
    """The layer and output that clip what `layer` gives, in an action's own units, to its bounds.

    `Clip` gives low + (clip(x, -1, 1) + 1) / 2 * (high - low), so x is (y - centre) / half range.
    Raises ValueError for bounds that are not finite or do not fit.
    """
    bounds = finite_bounds(low, high, len(layer.bias), name)
    lows, highs = (np.asarray(bound, np.float64) for bound in bounds)
    centre, half = (lows + highs) / 2, (highs - lows) / 2
    half = np.where(half == 0, 1, half)
    kernel = (layer.weights.values / half).astype(np.float32)
    bias = ((layer.bias - centre) / half).astype(np.float32)
    return replace(layer, weights=Weights(kernel), bias=bias), Clip(*bounds)


def squashed_to(
    layer: Dense, low: Sequence[float], high: Sequence[float], name: str = "action space"
) -> Squash:
    """The output that maps tanh of what `layer` gives to the bounds; ValueError as above."""
    return Squash(*finite_bounds(low, high, len(layer.bias), name))


def finite_bounds(
    low: Sequence[float], high: Sequence[float], size: int, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds as float32 numbers. ValueError where one is not finite, or there are not `size`."""
    lows, highs = (tuple(float(np.float32(v)) for v in bound) for bound in (low, high))
    if not np.isfinite([*lows, *highs]).all():
        raise ValueError(f"{name}: an action bound is not finite; allowed: finite bounds")
    if len(lows) != size or len(highs) != size:
        raise ValueError(f"{name}: bounds of {len(lows)} actions, the last layer has {size}")
    if any(a > b for a, b in zip(lows, highs, strict=True)):
        raise ValueError(f"{name}: a lower action bound above its upper one")
    return lows, highs


def flatten(shape: Shape, image: bool) -> tuple[list[Operation], Shape | None]:
    """What flattens an observation, and the image whose order the next layer must mend."""
    if len(shape) == 1:
        return [], None
    return [Flatten()], shape if image and len(shape) == 3 else None


def agreed(output: Output | None, kind: type[Output], what: str) -> Output:
    """The caller's output, where the file has no bounds of actions.

    `kind` is Squash, Clip or ArgMax, and `what` says which policy needs it. Raises `OutputError`
    where the output is of another kind, or none.
    """
    if not isinstance(output, kind):
        found = "no output" if output is None else type(output).__name__
        allowed = f"{kind.__name__}(low, high)"
        raise OutputError(f"{what} needs output: found {found}; allowed: {allowed}", kind)
    return output
