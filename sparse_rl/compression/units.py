"""The pass `units`: whole hidden units and channels go, and with them all that reads them.

A unit's importance is the norm of its incoming weights (Li et al. 2017, arXiv 1608.08710); what
depends on it, the rows of the next layer, behind a flattened image one for each position, goes with
it (Fang et al. 2023, arXiv 2301.12900). What a residual stream or a layer norm reads stays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.graph import Graph, Layer, Operation, Residual, shape_after
from sparse_rl.artifact.removal import (
    next_layer,
    positions_read,
    without_inputs,
    without_outputs,
)
from sparse_rl.compression.options import UnitsOptions
from sparse_rl.compression.policies import Pass, each


def build(options: UnitsOptions) -> Pass:
    """The pass with these options."""
    return each(lambda graph, _: without_units(graph, options.level, options.norm))


def without_units(graph: Graph, level: float, norm: str = "l2") -> Graph:
    """The graph in which floor(level * units) of each hidden layer's units are gone.

    The function is that of the graph in which the outputs of these units are zero.
    """
    operations = _walk(graph.operations, graph.observation.shape, level, norm)
    return replace(graph, operations=operations)


def _walk(
    operations: tuple[Operation, ...], shape: tuple[int, ...], level: float, norm: str
) -> tuple[Operation, ...]:
    steps, shapes = list(operations), [shape]
    for step in steps:
        shapes.append(shape_after(step, shapes[-1]))
    # From the end: a unit's own norm is that of all its incoming weights, before its inputs go.
    for position in reversed(range(len(steps))):
        step = steps[position]
        if isinstance(step, Residual):
            steps[position] = Residual(_walk(step.body, shapes[position], level, norm))
        elif isinstance(step, Layer):
            following = next_layer(steps, position)
            if following is None:
                continue
            between = steps[position + 1 : following]
            positions = positions_read(between, shapes[position + 1 : following])
            keep = kept_units(step, level, norm)
            consumer = steps[following]
            assert isinstance(consumer, Layer)
            steps[position] = without_outputs(step, keep)
            steps[following] = without_inputs(consumer, keep, positions)
    return tuple(steps)


def kept_units(layer: Layer, level: float, norm: str) -> NDArray[np.bool_]:
    """True but for the floor(level * units) units with the smallest norm of incoming weights."""
    weights = layer.weights.dequantized().astype(np.float64)
    incoming = weights.reshape(-1, weights.shape[-1])
    size = np.abs(incoming).sum(axis=0) if norm == "l1" else np.square(incoming).sum(axis=0)
    keep = np.ones(size.size, bool)
    gone = min(size.size - 1, int(level * size.size + 1e-9))
    keep[np.argsort(size, kind="stable")[:gone]] = False
    return keep
