"""Removing units equals setting their outputs to zero, in every architecture."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import ArgMax, Observation, Relu
from sparse_rl.artifact import reference
from sparse_rl.artifact.graph import (
    Dense,
    Graph,
    Layer,
    Residual,
    layers,
)
from sparse_rl.artifact.removal import next_layer
from sparse_rl.artifact.weights import Weights
from sparse_rl.compression.units import kept_units, without_units


def silenced(operations, level, norm):
    """The same layers, with zeros for the outputs of the units that are to go."""
    steps = list(operations)
    for position, step in enumerate(operations):
        if isinstance(step, Residual):
            steps[position] = Residual(silenced(step.body, level, norm))
        elif isinstance(step, Layer) and next_layer(operations, position) is not None:
            keep = kept_units(step, level, norm)
            kernel = np.where(keep, step.weights.values, 0).astype(step.weights.values.dtype)
            weights = Weights(kernel, step.weights.scale)
            bias = np.where(keep, step.bias, 0).astype(np.float32)
            steps[position] = replace(step, weights=weights, bias=bias)
    return tuple(steps)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("level", [0.3, 0.75])
def test_as_if_their_outputs_were_zero(architecture, level, norm):
    graph = architecture(sparsity=0.0, quantization="float32", seed=3)
    observations = synthetic.random_observations(graph, 20, 0)
    smaller = without_units(graph, level, norm)
    masked = replace(graph, operations=silenced(graph.operations, level, norm))
    before = reference.outputs(masked, observations)
    np.testing.assert_allclose(
        reference.outputs(smaller, observations),
        before,
        rtol=0,
        atol=2e-6 * max(1, np.abs(before).max()),
    )
    sizes = [
        (len(one.bias), len(other.bias))
        for one, other in zip(layers(smaller.operations), layers(graph.operations), strict=True)
    ]
    assert {after for after, _ in sizes} != {before for _, before in sizes}
    assert all(after in (before, before - int(level * before)) for after, before in sizes)


def test_the_smallest_norm_goes():
    kernel = np.array([[3.0, 0.1, 2.0], [0.0, 2.9, 2.0]], np.float32)
    first = Dense(Weights(kernel), np.zeros(3, np.float32))
    last = Dense(Weights(np.eye(3, 2, dtype=np.float32)), np.zeros(2, np.float32))
    graph = Graph(Observation((2,)), (first, Relu(), last), ArgMax())
    # Norms: l1 3, 3, 4 and l2 3, 2.902, 2.828.
    for norm, kept in (("l1", [1, 2]), ("l2", [0, 1])):
        (layer, _) = layers(without_units(graph, 0.34, norm).operations)
        np.testing.assert_array_equal(layer.weights.values, kernel[:, kept])
