"""A compressed actor as data: a feed-forward graph of a few operations, NumPy arrays only.

Every delivery format (packed file, C, ONNX) is made from this graph, and every one of them is
compared with `reference.act` on it. The graph knows nothing of how the actor was trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import (
    ArgMax,
    Flatten,
    MaxPool,
    Observation,
    Output,
    Padding,
    Relu,
    Tanh,
    check_window,
)
from sparse_rl.architecture.shapes import window_count
from sparse_rl.artifact.weights import LARGEST_INTEGER, InputScale, Weights, largest_sum

_INT32 = 1 << 31


@dataclass(frozen=True, eq=False)
class Dense:
    """y = x W + b on the last axis; `input_scale` says how x is quantized, if it is."""

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
class LayerNorm:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis, in float32."""

    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    epsilon: float

    def __post_init__(self) -> None:
        _check_arrays("layer norm", self.scale, self.bias)
        if self.scale.ndim != 1 or not self.epsilon > 0:
            raise ValueError(f"layer norm: {self.scale.shape}, epsilon {self.epsilon}")


@dataclass(frozen=True, eq=False)
class Normalize:
    """clip((x - mean) / sqrt(variance + epsilon), -limit, limit), elementwise, in float32."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    epsilon: float
    limit: float

    def __post_init__(self) -> None:
        _check_arrays("normalize", self.mean, self.variance)
        if not (self.variance >= 0).all() or not self.epsilon > 0 or not self.limit > 0:
            raise ValueError("normalize: variance, epsilon and limit must be positive")

    @property
    def deviation(self) -> NDArray[np.float32]:
        return np.sqrt(self.variance + np.float32(self.epsilon))


@dataclass(frozen=True, eq=False)
class Rescale:
    """x * 2^exponents, elementwise on a vector: each quantity of an observation in its own unit."""

    exponents: NDArray[np.int8]

    def __post_init__(self) -> None:
        if self.exponents.dtype != np.int8 or self.exponents.ndim != 1:
            raise ValueError(f"rescale: exponents {self.exponents.dtype} {self.exponents.shape}")

    @property
    def factors(self) -> NDArray[np.float32]:
        return np.ldexp(np.float32(1), self.exponents.astype(np.int32)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Residual:
    """x + body(x)."""

    body: tuple[Operation, ...]


Operation = (
    Dense
    | Convolution
    | Relu
    | Tanh
    | LayerNorm
    | Normalize
    | Rescale
    | MaxPool
    | Flatten
    | Residual
)
Layer = Dense | Convolution


@dataclass(frozen=True, eq=False)
class Graph:
    observation: Observation
    operations: tuple[Operation, ...]
    output: Output

    def __post_init__(self) -> None:
        shape = self.output_shape
        if len(shape) != 1:
            raise ValueError(f"the graph ends with shape {shape}: expected one axis")
        if not isinstance(self.output, ArgMax) and len(self.output.low) != shape[0]:
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
        case LayerNorm():
            if shape[-1:] != operation.scale.shape:
                raise ValueError(f"layer norm {operation.scale.shape} after shape {shape}")
            return shape
        case Normalize():
            if shape != operation.mean.shape:
                raise ValueError(f"normalize {operation.mean.shape} after shape {shape}")
            return shape
        case Rescale(exponents):
            if shape != exponents.shape:
                raise ValueError(f"rescale {exponents.shape} after shape {shape}")
            return shape
        case Relu() | Tanh():
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


def _check_layer(layer: Dense | Convolution, axes: int) -> None:
    if layer.weights.values.ndim != axes:
        raise ValueError(f"kernel of shape {layer.weights.values.shape}: expected {axes} axes")
    if layer.bias.dtype != np.float32 or layer.bias.shape != layer.weights.values.shape[-1:]:
        raise ValueError(
            f"bias {layer.bias.dtype} {layer.bias.shape} for a kernel {layer.weights.values.shape}"
        )
    if layer.input_scale is not None and layer.weights.scale is None:
        raise ValueError("quantized inputs need int8 weights")
    # Only what has so many inputs is looked at: zeros that are large on paper cost no memory.
    inputs = math.prod(layer.weights.values.shape[:-1])
    if layer.input_scale is None or inputs * LARGEST_INTEGER**2 < _INT32:
        return
    if (found := largest_sum(layer.weights.values)) >= _INT32:
        raise ValueError(f"sums of products up to {found}; allowed: below {_INT32}")


def _check_arrays(what: str, first: NDArray, second: NDArray) -> None:
    if first.dtype != np.float32 or second.dtype != np.float32 or first.shape != second.shape:
        raise ValueError(
            f"{what}: arrays {first.dtype} {first.shape} and {second.dtype} {second.shape}; "
            f"expected two of float32 and one shape"
        )
