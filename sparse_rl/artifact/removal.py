"""Removing hidden units: which layer reads them, and both layers without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Flatten
from sparse_rl.artifact.graph import (
    Dense,
    Layer,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
)
from sparse_rl.artifact.weights import Weights


def next_layer(steps: Sequence[Operation], position: int) -> int | None:
    """The layer that alone reads this one's output, through ReLU, tanh, max pool and flatten."""
    for k in range(position + 1, len(steps)):
        if isinstance(steps[k], Layer):
            return k
        if isinstance(steps[k], Residual | LayerNorm | Normalize | Rescale):
            return None
    return None


def positions_read(between: Sequence[Operation], shapes: Sequence[tuple[int, ...]]) -> int:
    """How many inputs of a consumer are of one unit: the positions of an image that is flattened.

    `shapes` are those before each of the operations that stand between the two layers.
    """
    for operation, shape in zip(between, shapes, strict=True):
        if isinstance(operation, Flatten) and len(shape) == 3:
            return shape[0] * shape[1]
    return 1


def by_unit(consumer: Layer, positions: int) -> NDArray:
    """The consumer's kernel as [unit, position, output]."""
    values = consumer.weights.values
    if isinstance(consumer, Dense):
        units = values.shape[0] // positions
        return values.reshape(positions, units, -1).swapaxes(0, 1)
    return np.moveaxis(values, 2, 0).reshape(values.shape[2], -1, values.shape[3])


def without_outputs(layer: Layer, keep: NDArray[np.bool_]) -> Layer:
    """The layer with those of its outputs that are kept."""
    scale = layer.weights.scale
    if scale is not None and len(scale) > 1:
        scale = scale[keep]
    weights = Weights(np.ascontiguousarray(layer.weights.values[..., keep]), scale)
    return replace(layer, weights=weights, bias=layer.bias[keep])


def without_inputs(consumer: Layer, keep: NDArray[np.bool_], positions: int) -> Layer:
    """The layer that reads those units that are kept, `positions` inputs of each."""
    every = consumer.weights.values
    dense = isinstance(consumer, Dense)
    values = every[np.tile(keep, positions)] if dense else every[:, :, keep]
    weights = Weights(np.ascontiguousarray(values), consumer.weights.scale)
    return replace(consumer, weights=weights)
