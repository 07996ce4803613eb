"""The tensor that runs through an ONNX policy, as our operations and what is still to be said.

A node is often half an operation: MatMul and Add are one layer, Sub, Div and Clip one
normalization, Tanh, Mul and Add the output. So the value of a tensor is kept as

    clip(scale * x + shift, low, high),  or  scale * tanh(x) + shift,

where x is what `operations` give, until the next operation makes it known what it is. Arrays are
in our order of axes, rows, columns, channels, whatever the order is in the model at this place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Flatten, Relu, Tanh
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Normalize,
    Operation,
    Residual,
    shape_after,
)
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers.numpy_arrays import float32_of

Shape = tuple[int, ...]
Spend = Callable[[int], None]
"""Counts elements of arrays that are made; raises ValueError where they are too many."""
_EPSILON = 1e-30
_NO_LIMIT = 1e29


def number(value: NDArray | float) -> NDArray[np.float64]:
    """A number or array as float64."""
    return np.asarray(value, np.float64)


@dataclass(frozen=True, eq=False)
class Chain:
    """One tensor of the policy.

    Attributes:
        operations: of the policy up to x, see above.
        shape: of x for one observation, an image with its channels last.
        layout: the order of an image's axes in the model; "plain" where both are the same.
        batched: whether the tensor has a batch axis in the model.
        flattened: the image [h, w, c] that was flattened in another order than ours, if one was.
        divisor: of the observation.
        ordinal: whether the values are known up to a rising function alone, as after a softmax.
        expanded: whether it was broadcast to a shape that is not known, so perhaps its own.
    """

    operations: tuple[Operation, ...]
    shape: Shape
    layout: Literal["plain", "NCHW"]
    batched: bool
    flattened: Shape | None = None
    divisor: float = 1.0
    ordinal: bool = False
    expanded: bool = False
    tanh: bool = False
    scale: NDArray[np.float64] = field(default_factory=partial(number, 1.0))
    shift: NDArray[np.float64] = field(default_factory=partial(number, 0.0))
    low: NDArray[np.float64] = field(default_factory=partial(number, -np.inf))
    high: NDArray[np.float64] = field(default_factory=partial(number, np.inf))

    @property
    def source_shape(self) -> Shape:
        """The shape of one observation's tensor in the model."""
        if self.layout == "NCHW":
            height, width, channels = self.shape
            return (channels, height, width)
        return self.shape

    @property
    def is_affine(self) -> bool:
        """Whether something is left to be done to x: a factor, a sum, or bounds."""
        return bool(np.any(self.scale != 1) or np.any(self.shift != 0) or self.is_bounded)

    @property
    def is_bounded(self) -> bool:
        return bool(np.any(np.isfinite(self.low)) or np.any(np.isfinite(self.high)))

    def constant(self, value: NDArray) -> NDArray[np.float64]:
        """A constant beside this tensor, in our order of axes. ValueError if it is too large."""
        axes, array = len(self.shape), np.asarray(value, np.float64)
        while array.ndim > axes and array.shape[0] == 1:
            array = array[0]
        if array.size == 1:
            return array.reshape(())
        array = array.reshape((1,) * (axes - array.ndim) + array.shape)
        fits = array.ndim == axes and all(
            size in (1, own) for size, own in zip(array.shape, self.source_shape, strict=True)
        )
        if not fits:
            raise ValueError(f"a constant of shape {value.shape} beside {self.source_shape}")
        if self.layout == "NCHW":
            return array.transpose(1, 2, 0)
        if self.flattened is not None:
            height, width, channels = self.flattened
            return array.reshape(channels, height, width).transpose(1, 2, 0).ravel()
        return array


def affine(chain: Chain, factor: NDArray | float, term: NDArray | float) -> Chain:
    """factor * value + term. Raises ValueError where bounds would change places."""
    if chain.is_bounded:
        if np.any(number(factor) <= 0):
            raise ValueError("a factor that is not positive, after a clip")
        low, high = number(chain.low * factor + term), number(chain.high * factor + term)
        chain = replace(chain, low=low, high=high)
    scale, shift = number(chain.scale * factor), number(chain.shift * factor + term)
    return replace(chain, scale=scale, shift=shift)


def clip(chain: Chain, low: NDArray | float, high: NDArray | float) -> Chain:
    """min(max(value, low), high). Raises ValueError where that cuts a tanh, or all of it."""
    if chain.tanh:
        reach = np.abs(chain.scale)
        room = 1e-6 * (1 + reach)
        cut = np.any(low > chain.shift - reach + room) or np.any(high < chain.shift + reach - room)
        if cut:
            raise ValueError("a clip that cuts a tanh")
        return chain
    lows, highs = number(np.maximum(chain.low, low)), number(np.minimum(chain.high, high))
    if not np.all(lows <= highs):
        raise ValueError("a clip whose lower bound is above its upper one")
    return replace(chain, low=lows, high=highs)


def without_bounds(chain: Chain) -> Chain:
    """The value before any clip."""
    return replace(chain, low=number(-np.inf), high=number(np.inf))


def settled(chain: Chain, spend: Spend) -> Chain:
    """The same value with everything in its operations.

    A factor and a sum go into the layer right before them, or are the divisor of an observation, or
    else a normalization, as a symmetric clip is. Raises ValueError for other clips.
    """
    operations = chain.operations
    if chain.tanh:
        operations = (*operations, Tanh())
    plain = without_bounds(
        replace(chain, operations=operations, tanh=False, scale=number(1.0), shift=number(0.0))
    )
    if not chain.is_affine:
        return plain
    if np.all(chain.low == 0) and np.all(np.isposinf(chain.high)):
        settled_first = settled(without_bounds(chain), spend)
        return replace(settled_first, operations=(*settled_first.operations, Relu()))
    last = operations[-1] if operations else None
    if isinstance(last, Dense | Convolution) and not chain.is_bounded:
        return replace(plain, operations=(*operations[:-1], folded(last, chain, spend)))
    scalar = np.ndim(chain.scale) == 0 and not np.any(chain.shift) and not chain.is_bounded
    if last is None and scalar and 1e-30 < float(chain.scale) < 1e30:
        divisor = np.float32(chain.divisor / float(chain.scale))
        return replace(plain, divisor=float(divisor))
    return replace(plain, operations=(*operations, _normalization(chain, spend)))


def folded(layer: Dense | Convolution, chain: Chain, spend: Spend) -> Dense | Convolution:
    """The layer whose outputs are scale * y + shift; ValueError where these differ by position."""
    scale, shift = chain.scale, chain.shift
    if any(size != 1 for array in (scale, shift) for size in array.shape[:-1]):
        raise ValueError("a factor or sum that differs between the positions of an image")
    spend(layer.weights.values.size)
    scale, shift = scale.reshape(scale.shape[-1:]), shift.reshape(shift.shape[-1:])
    kernel = float32_of(layer.weights.values * scale, "a kernel times a factor")
    bias = float32_of(np.broadcast_to(layer.bias * scale + shift, layer.bias.shape), "a bias")
    return replace(layer, weights=Weights(kernel), bias=bias)


def dense(
    chain: Chain, kernel: NDArray[np.float32], bias: NDArray[np.float32], spend: Spend
) -> Chain:
    """The layer of a kernel [inputs, outputs] behind this tensor. ValueError where none fits."""
    chain = settled(chain, spend)
    if len(chain.shape) != 1 or kernel.ndim != 2 or chain.shape != kernel.shape[:1]:
        raise ValueError(f"a kernel {kernel.shape} after the shape {chain.source_shape}")
    spend(kernel.size)
    if chain.flattened is not None:
        height, width, channels = chain.flattened
        ordered = kernel.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
        kernel = ordered.reshape(kernel.shape)
    return appended(
        replace(chain, flattened=None), Dense(Weights(np.ascontiguousarray(kernel)), bias)
    )


def appended(chain: Chain, operation: Operation) -> Chain:
    """One operation more, for a settled chain; ValueError where it does not fit its shape."""
    shape = shape_after(operation, chain.shape)
    return replace(chain, operations=(*chain.operations, operation), shape=shape)


def flat(chain: Chain, spend: Spend) -> Chain:
    """All axes as one, in the model's order: a layer behind it is put into ours."""
    if len(chain.shape) == 1:
        return chain
    settled_first = settled(chain, spend)
    image = chain.shape if chain.layout == "NCHW" else None
    found = appended(settled_first, Flatten())
    return replace(found, layout="plain", flattened=image)


def residual(one: Chain, other: Chain, spend: Spend) -> Chain:
    """The sum of a tensor and what operations made of it. ValueError for another sum of two."""
    one, other = settled(one, spend), settled(other, spend)
    first, second = sorted((one, other), key=lambda chain: len(chain.operations))
    count = len(first.operations)
    shared = all(a is b for a, b in zip(first.operations, second.operations, strict=False))
    same = (first.shape, first.layout, first.flattened, first.divisor) == (
        second.shape,
        second.layout,
        second.flattened,
        second.divisor,
    )
    if not shared or not same or count == len(second.operations):
        raise ValueError("a sum of two tensors; allowed: of one and what follows from it")
    return appended(first, Residual(second.operations[count:]))


def _normalization(chain: Chain, spend: Spend) -> Normalize:
    spend(2 * math.prod(chain.shape))
    if np.any(chain.scale <= 0):
        raise ValueError("a factor that is not positive, and no layer before it")
    limit = np.unique(np.concatenate([np.ravel(chain.high), -np.ravel(chain.low)]))
    if len(limit) != 1 or not limit[0] > 0:
        raise ValueError("a clip that is not symmetric; allowed: one at the end, or -c to c")
    bound = float(limit[0]) if np.isfinite(limit[0]) else _NO_LIMIT
    mean, variance = (
        float32_of(np.broadcast_to(value, chain.shape), what)
        for value, what in (
            (-chain.shift / chain.scale, "a mean"),
            (1 / np.square(chain.scale), "a variance"),
        )
    )
    return Normalize(mean, variance, _EPSILON, min(bound, _NO_LIMIT))
