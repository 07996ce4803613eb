"""Static activation scales from observations, for the integer path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.graph import (
    Graph,
    Layer,
    Normalize,
    Operation,
    Residual,
    layers,
    with_layers,
)
from sparse_rl.artifact.reference import apply, prepare
from sparse_rl.artifact.weights import StaticScale, scale_of

_BATCH = 256
_MOST_INPUTS = 1_000_000


def with_static_scales(graph: Graph, observations: NDArray) -> Graph:
    """Every layer's input scale fixed to max|input| / 127 over the observations [batch, *shape].

    The maxima are those of the graph as it is given (its dynamic scales, if any). An input that is
    always zero gets the scale 1 / 127. Raises ValueError for float32 weights or without
    observations.
    """
    if any(layer.weights.scale is None for layer in layers(graph.operations)):
        raise ValueError("static activation scales need int8 weights in every layer")
    scales = [
        StaticScale(float(scale_of(np.array(largest, np.float32))))
        for largest in largest_inputs(graph, observations)
    ]
    replaced = (
        replace(layer, input_scale=scale)
        for layer, scale in zip(layers(graph.operations), scales, strict=True)
    )
    return replace(graph, operations=with_layers(graph.operations, replaced))


def largest_inputs(graph: Graph, observations: NDArray) -> list[float]:
    """max|input| of every layer, in the order of `layers`."""
    return _largest(graph, observations)[0]


def largest_value(graph: Graph, observations: NDArray) -> float:
    """The largest magnitude that any tensor of the graph takes, observations included."""
    return _largest(graph, observations)[1]


def inputs_of_layers(graph: Graph, observations: NDArray) -> list[NDArray[np.float32]]:
    """What every layer reads of the observations, flat, in the order of `layers`.

    Of more than a million numbers, every n-th. Raises ValueError without observations.
    """
    if not len(observations):
        raise ValueError("calibration needs at least one observation")
    found: dict[int, list[NDArray[np.float32]]] = {}

    def note(operation: Operation, x: NDArray) -> NDArray:
        if isinstance(operation, Residual):
            inner = x
            for step in operation.body:
                inner = note(step, inner)
            return x + inner
        if isinstance(operation, Layer):
            stride = 1 + x[0].size * len(observations) // _MOST_INPUTS
            found.setdefault(id(operation), []).append(x.ravel()[::stride])
        return apply(operation, x)

    for start in range(0, len(observations), _BATCH):
        x = prepare(graph, observations[start : start + _BATCH])
        for operation in graph.operations:
            x = note(operation, x)
    return [np.concatenate(found[id(layer)]) for layer in layers(graph.operations)]


def _largest(graph: Graph, observations: NDArray) -> tuple[list[float], float]:
    if not len(observations):
        raise ValueError("calibration needs at least one observation")
    inputs: dict[int, float] = {}
    overall = 0.0

    def note(operation: Operation, x: NDArray) -> NDArray:
        nonlocal overall
        if isinstance(operation, Residual):
            inner = x
            for step in operation.body:
                inner = note(step, inner)
            result = x + inner
        else:
            if isinstance(operation, Layer):
                inputs[id(operation)] = max(inputs.get(id(operation), 0.0), float(np.abs(x).max()))
            result = apply(operation, x)
        overall = max(overall, float(np.abs(result).max()))
        return result

    for start in range(0, len(observations), _BATCH):
        x = prepare(graph, observations[start : start + _BATCH])
        # An observation that is normalized at once is no tensor of the integer path.
        if not isinstance(graph.operations[0], Normalize):
            overall = max(overall, float(np.abs(x).max()))
        for operation in graph.operations:
            x = note(operation, x)
    return [inputs[id(layer)] for layer in layers(graph.operations)], overall
