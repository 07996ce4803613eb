"""The graph evaluated with NumPy: what every operation means, and other formats must give."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax, Flatten, MaxPool, Relu, Squash, Tanh
from sparse_rl.architecture.shapes import padding_before_and_after
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    Layer,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
)
from sparse_rl.artifact.weights import DynamicScale, quantize, scale_of

_ELEMENTS_AT_ONCE = 1 << 24


def act(graph: Graph, observations: NDArray) -> NDArray:
    """Actions of a batch of observations [batch, *shape]: float32 [batch, n] or int64 [batch]."""
    return action_of(graph, outputs(graph, observations))


def outputs(graph: Graph, observations: NDArray) -> NDArray[np.float32]:
    """The last layer's outputs [batch, n]: pre-tanh means or Q values."""
    batches = []
    size = max(1, _ELEMENTS_AT_ONCE // (64 * int(np.prod(graph.observation.shape))))
    for start in range(0, len(observations), size):
        x = prepare(graph, observations[start : start + size])
        for operation in graph.operations:
            x = apply(operation, x)
        batches.append(x)
    return np.concatenate(batches)


def prepare(graph: Graph, observations: NDArray) -> NDArray[np.float32]:
    """float32 observations, divided by the divisor; raises ValueError on a wrong shape."""
    if observations.shape[1:] != graph.observation.shape:
        raise ValueError(
            f"observations of shape {observations.shape[1:]}: "
            f"the actor reads {graph.observation.shape}"
        )
    x = observations.astype(np.float32)
    return x if graph.observation.divisor == 1 else x / np.float32(graph.observation.divisor)


def action_of(graph: Graph, outputs: NDArray[np.float32]) -> NDArray:
    if isinstance(graph.output, ArgMax):
        return np.argmax(outputs, axis=-1)
    low = np.asarray(graph.output.low, np.float32)
    high = np.asarray(graph.output.high, np.float32)
    one = np.float32(1)
    bounded = np.tanh(outputs) if isinstance(graph.output, Squash) else outputs.clip(-one, one)
    return low + (bounded + one) * np.float32(0.5) * (high - low)


def apply(operation: Operation, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """One operation on a float32 batch."""
    match operation:
        case Dense():
            return _scaled_product(
                operation, x, operation.weights.values, input_scale(operation, x)
            )
        case Convolution():
            height, width, _, outputs = operation.weights.values.shape
            patches = windows(x, (height, width), operation.strides, operation.padding, 0.0)
            shape = patches.shape[:3]
            flat = patches.reshape(*shape, -1)
            kernel = operation.weights.values.reshape(-1, outputs)
            # Of the whole image: also of what no window meets.
            return _scaled_product(operation, flat, kernel, input_scale(operation, x))
        case Relu():
            return np.maximum(x, np.float32(0))
        case Tanh():
            return np.tanh(x)
        case LayerNorm(scale, bias, epsilon):
            centered = x - x.mean(axis=-1, keepdims=True)
            variance = np.square(centered).mean(axis=-1, keepdims=True)
            return centered / np.sqrt(variance + np.float32(epsilon)) * scale + bias
        case Normalize(mean, _, _, limit):
            bound = np.float32(limit)
            return np.clip((x - mean) / operation.deviation, -bound, bound)
        case Rescale():
            return x * operation.factors
        case MaxPool(window, strides, padding):
            return windows(x, window, strides, padding, -np.inf).max(axis=(3, 4))
        case Flatten():
            return x.reshape(len(x), -1)
        case Residual(body):
            inner = x
            for step in body:
                inner = apply(step, inner)
            return x + inner
    raise TypeError(f"unknown operation {operation!r}")


def windows(
    x: NDArray, window: tuple[int, int], strides: tuple[int, int], padding: str, fill: float
) -> NDArray:
    """Windows of an NHWC batch: [batch, rows, columns, window height, window width, channels]."""
    around = [
        padding_before_and_after(x.shape[1 + axis], window[axis], strides[axis], padding)  # type: ignore[arg-type]
        for axis in (0, 1)
    ]
    padded = np.pad(x, [(0, 0), *around, (0, 0)], constant_values=fill)
    view = sliding_window_view(padded, window, axis=(1, 2))  # type: ignore[call-overload]
    return np.moveaxis(view[:, :: strides[0], :: strides[1]], 3, 5)


def input_scale(layer: Layer, x: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The scale by which `x` [batch, ...] is quantized, with its axes; None for float inputs."""
    if layer.input_scale is None:
        return None
    if isinstance(layer.input_scale, DynamicScale):
        largest = np.abs(x).max(axis=tuple(range(1, x.ndim)), keepdims=True)
        return scale_of(np.maximum(largest, np.float32(layer.input_scale.floor)))
    return np.full((1,) * x.ndim, layer.input_scale.scale, np.float32)


def _scaled_product(
    layer: Layer, x: NDArray[np.float32], kernel: NDArray, scale: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    if scale is None:
        product = x @ kernel.astype(np.float32)
    else:
        # Sums of int8 products are whole numbers far below 2^53: float64 is exact, and fast.
        product = (quantize(x, scale).astype(np.float64) @ kernel.astype(np.float64)).astype(
            np.float32
        )
        product = product * scale
    if layer.weights.scale is not None:
        product = product * layer.weights.scale
    return product + layer.bias
