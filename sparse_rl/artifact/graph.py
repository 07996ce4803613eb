"""A compressed actor as data: a feed-forward graph of a few operations, NumPy arrays only.

Every delivery format (packed file, C, ONNX) is made from this graph, and every one of them is
compared with `reference.act` on it. The graph knows nothing of how the actor was trained.

Quantisation is symmetric with the rule of training: scale = max|x| * (1 / 127), q =
round_half_even(clip(x * (1 / scale), -127, 127)); products are accumulated in int32 and the result
is accumulator * scale_x * scale_w + bias, in this order, in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import (
    ArgMax,
    Flatten,
    MaxPool,
    Observation,
    Padding,
    Relu,
    Squash,
    check_window,
)
from sparse_rl.architecture.shapes import window_count

LARGEST_INTEGER = 127
_RECIPROCAL = np.float32(1.0 / LARGEST_INTEGER)


@dataclass(frozen=True, eq=False)
class Weights:
    """A kernel: Dense [inputs, outputs], Convolution [height, width, inputs, outputs].

    `values` is float32 (then `scale` is None) or int8 in [-127, 127] with a positive float32
    `scale` of one element (per tensor) or one per output channel; the weight is values * scale.
    """

    values: NDArray
    scale: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        kind = self.values.dtype
        if kind == np.int8:
            if self.scale is None or self.scale.shape not in ((1,), (self.values.shape[-1],)):
                raise ValueError("int8 weights need a scale with one element or one per output")
            if self.values.size and int(self.values.min()) < -LARGEST_INTEGER:
                raise ValueError("int8 weights must lie in [-127, 127]")
        elif kind != np.float32 or self.scale is not None:
            raise ValueError(
                f"weights of dtype {kind}: expected int8 with a scale, or float32 without"
            )

    @property
    def nonzero(self) -> int:
        return int(np.count_nonzero(self.values))

    @property
    def density(self) -> float:
        return self.nonzero / max(1, self.values.size)

    def dequantised(self) -> NDArray[np.float32]:
        if self.scale is None:
            return self.values.astype(np.float32)
        return self.values.astype(np.float32) * self.scale


@dataclass(frozen=True)
class DynamicScale:
    """One scale per observation, from the largest |input| of the whole layer input, as in training.

    `floor` is the least value that this maximum takes: the magnitude of removed constant inputs.
    """

    floor: float = 0.0


@dataclass(frozen=True)
class StaticScale:
    """A scale fixed before delivery, from calibration observations."""

    scale: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"static activation scale {self.scale}: expected a positive number")


InputScale = DynamicScale | StaticScale | None


@dataclass(frozen=True, eq=False)
class Dense:
    """y = x W + b on the last axis; `input_scale` says how x is quantised to int8 (None: not at
    all).
    """

    weights: Weights
    bias: NDArray[np.float32]
    input_scale: InputScale = None

    def __post_init__(self) -> None:
        _check_layer(self, axes=2)


@dataclass(frozen=True, eq=False)
class Convolution:
    """NHWC cross-correlation with bias; a dynamic scale is shared by all positions and channels."""

    weights: Weights
    bias: NDArray[np.float32]
    strides: tuple[int, int] = (1, 1)
    padding: Padding = "VALID"
    input_scale: InputScale = None

    def __post_init__(self) -> None:
        _check_layer(self, axes=4)
        check_window(self.strides, self.padding)


@dataclass(frozen=True, eq=False)
class Residual:
    """x + body(x)."""

    body: tuple[Operation, ...]


Operation = Dense | Convolution | Relu | MaxPool | Flatten | Residual
Layer = Dense | Convolution


@dataclass(frozen=True, eq=False)
class Graph:
    observation: Observation
    operations: tuple[Operation, ...]
    output: Squash | ArgMax

    def __post_init__(self) -> None:
        shape = self.output_shape
        if len(shape) != 1:
            raise ValueError(f"the graph ends with shape {shape}: expected one axis")
        if isinstance(self.output, Squash) and len(self.output.low) != shape[0]:
            raise ValueError(
                f"action bounds have {len(self.output.low)} elements, the last layer {shape[0]}"
            )

    @property
    def output_shape(self) -> tuple[int, ...]:
        shape = self.observation.shape
        for operation in self.operations:
            shape = shape_after(operation, shape)
        return shape


def shape_after(operation: Operation, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of one observation after `operation`; raises ValueError where it does not fit."""
    match operation:
        case Dense():
            if shape[-1:] != operation.weights.values.shape[:1] or len(shape) != 1:
                raise ValueError(f"dense {operation.weights.values.shape} after shape {shape}")
            return (operation.weights.values.shape[1],)
        case Convolution():
            height, width, inputs, outputs = operation.weights.values.shape
            if len(shape) != 3 or shape[2] != inputs:
                raise ValueError(
                    f"convolution {operation.weights.values.shape} after shape {shape}"
                )
            return (
                window_count(shape[0], height, operation.strides[0], operation.padding),
                window_count(shape[1], width, operation.strides[1], operation.padding),
                outputs,
            )
        case MaxPool(window, strides, padding):
            if len(shape) != 3:
                raise ValueError(f"max pool after shape {shape}")
            return (
                window_count(shape[0], window[0], strides[0], padding),
                window_count(shape[1], window[1], strides[1], padding),
                shape[2],
            )
        case Flatten():
            return (int(np.prod(shape)),)
        case Residual(body):
            inner = shape
            for step in body:
                inner = shape_after(step, inner)
            if inner != shape:
                raise ValueError(f"residual body turns shape {shape} into {inner}")
            return shape
        case Relu():
            return shape
    raise TypeError(f"unknown operation {operation!r}")


def layers(operations: tuple[Operation, ...]) -> Iterator[Layer]:
    """All dense and convolution layers, in order of execution, residual bodies included."""
    for operation in operations:
        if isinstance(operation, Residual):
            yield from layers(operation.body)
        elif isinstance(operation, Dense | Convolution):
            yield operation


def with_layers(
    operations: tuple[Operation, ...], replacements: Iterator[Layer]
) -> tuple[Operation, ...]:
    """The same operations with their layers replaced, in the order of `layers`."""
    result: list[Operation] = []
    for operation in operations:
        if isinstance(operation, Residual):
            result.append(Residual(with_layers(operation.body, replacements)))
        elif isinstance(operation, Dense | Convolution):
            result.append(next(replacements))
        else:
            result.append(operation)
    return tuple(result)


def layer_shapes(graph: Graph) -> list[tuple[Layer, tuple[int, ...], tuple[int, ...]]]:
    """(layer, input shape, output shape) of every layer, in order of execution."""
    found: list[tuple[Layer, tuple[int, ...], tuple[int, ...]]] = []

    def walk(operations: tuple[Operation, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        for operation in operations:
            if isinstance(operation, Residual):
                walk(operation.body, shape)
            after = shape_after(operation, shape)
            if isinstance(operation, Dense | Convolution):
                found.append((operation, shape, after))
            shape = after
        return shape

    walk(graph.operations, graph.observation.shape)
    return found


def is_static(graph: Graph) -> bool:
    """True if every layer has int8 weights and a static input scale: the integer path applies."""
    return all(
        isinstance(layer.input_scale, StaticScale) and layer.weights.scale is not None
        for layer in layers(graph.operations)
    )


def quantise_weights(kernel: NDArray[np.floating], per_output_channel: bool) -> Weights:
    """int8 weights by the rule of training; an all-zero tensor or channel gets the scale 1 /
    127.
    """
    kernel = kernel.astype(np.float32)
    axes = tuple(range(kernel.ndim - 1)) if per_output_channel else tuple(range(kernel.ndim))
    largest = np.max(np.abs(kernel), axis=axes, keepdims=True, initial=np.float32(0))
    scale = scale_of(largest)
    return Weights(quantise(kernel, scale), scale.reshape(-1))


def scale_of(largest: NDArray[np.float32]) -> NDArray[np.float32]:
    """max|x| * (1 / 127), with 1 in place of a maximum of zero."""
    one = np.float32(1)
    return (np.where(largest == 0, one, largest) * _RECIPROCAL).astype(np.float32)


def quantise(x: NDArray[np.float32], scale: NDArray[np.float32] | np.float32) -> NDArray[np.int8]:
    """round_half_even(clip(x * (1 / scale), -127, 127)); one for the inverse where it overflows."""
    with np.errstate(over="ignore", divide="ignore"):
        inverse = np.float32(1) / scale
    inverse = np.where(np.isinf(inverse), np.float32(1), inverse).astype(np.float32)
    clipped = np.clip(x * inverse, -LARGEST_INTEGER, LARGEST_INTEGER)
    return np.rint(clipped).astype(np.int8)


def without_quantised_inputs(graph: Graph) -> Graph:
    """The same graph with float activations in every layer."""
    plain = (replace(layer, input_scale=None) for layer in layers(graph.operations))
    return replace(graph, operations=with_layers(graph.operations, plain))


def _check_layer(layer: Dense | Convolution, axes: int) -> None:
    if layer.weights.values.ndim != axes:
        raise ValueError(f"kernel of shape {layer.weights.values.shape}: expected {axes} axes")
    if layer.bias.dtype != np.float32 or layer.bias.shape != layer.weights.values.shape[-1:]:
        raise ValueError(
            f"bias {layer.bias.dtype} {layer.bias.shape} for a kernel {layer.weights.values.shape}"
        )
    if layer.input_scale is not None and layer.weights.scale is None:
        raise ValueError("quantised inputs need int8 weights")
