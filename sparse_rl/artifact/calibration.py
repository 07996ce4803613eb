"""What the layers of a graph read of observations, from which fixed scales are made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.graph import Graph, Layer, Operation, Residual, layers
from sparse_rl.artifact.reference import apply, prepare

_BATCH = 256
_MOST_INPUTS = 1_000_000


def largest_inputs(graph: Graph, observations: NDArray) -> list[float]:
    """max|input| of every layer over the observations [batch, *shape], in the order of `layers`.

    The maxima are those of the graph as it is given (its dynamic scales, if any). Raises ValueError
    without observations.
    """
    largest: dict[int, float] = {}

    def note(layer: Layer, x: NDArray) -> None:
        largest[id(layer)] = max(largest.get(id(layer), 0.0), float(np.abs(x).max()))

    _visit(graph, observations, note)
    return [largest[id(layer)] for layer in layers(graph.operations)]


def inputs_of_layers(graph: Graph, observations: NDArray) -> list[NDArray[np.float32]]:
    """What every layer reads of the observations, flat, in the order of `layers`.

    Of more than a million numbers about a million, drawn with a fixed seed: every n-th would leave
    out units of layers whose width has a divisor in common with n. Raises ValueError without
    observations.
    """
    draw = np.random.default_rng(0)
    found: dict[int, list[NDArray[np.float32]]] = {}

    def note(layer: Layer, x: NDArray) -> None:
        flat, total = x.ravel(), x[0].size * len(observations)
        if total > _MOST_INPUTS:
            flat = flat[draw.integers(flat.size, size=-(-flat.size * _MOST_INPUTS // total))]
        found.setdefault(id(layer), []).append(flat)

    _visit(graph, observations, note)
    return [np.concatenate(found[id(layer)]) for layer in layers(graph.operations)]


def _visit(graph: Graph, observations: NDArray, note: Callable[[Layer, NDArray], None]) -> None:
    """Calls `note` with every layer and what it reads, batch by batch."""
    if not len(observations):
        raise ValueError("calibration needs at least one observation")

    def step(operation: Operation, x: NDArray) -> NDArray:
        if isinstance(operation, Residual):
            inner = x
            for inside in operation.body:
                inner = step(inside, inner)
            return x + inner
        if isinstance(operation, Layer):
            note(operation, x)
        return apply(operation, x)

    for start in range(0, len(observations), _BATCH):
        x = prepare(graph, observations[start : start + _BATCH])
        for operation in graph.operations:
            x = step(operation, x)
