"""What layers read of observations, against sums written out."""

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.calibration import inputs_of_layers, largest_inputs
from sparse_rl.artifact.graph import Dense, layers


def test_the_largest_inputs_are_those_of_all_layers(architecture):
    graph = architecture(sparsity=0.8, quantization="int8")
    observations = synthetic.random_observations(graph, 16)
    found = largest_inputs(graph, observations)
    every = inputs_of_layers(graph, observations)
    assert len(found) == len(list(layers(graph.operations)))
    np.testing.assert_array_equal(found, [np.abs(inputs).max() for inputs in every])
    assert found[0] == np.abs(reference.prepare(graph, observations)).max()


def test_a_second_layer_reads_what_the_first_one_gives():
    graph = synthetic.mlp_actor((4, 16, 3), 0.0, "float32")
    observations = synthetic.random_observations(graph, 600)  # more than one batch
    first = next(step for step in graph.operations if isinstance(step, Dense))
    hidden = np.maximum(observations @ first.weights.values + first.bias, 0)
    assert largest_inputs(graph, observations)[1] == pytest.approx(hidden.max(), rel=1e-6)


def test_observations_are_needed():
    graph = synthetic.mlp_actor((4, 3), 0.0, "float32")
    for ask in (largest_inputs, inputs_of_layers):
        with pytest.raises(ValueError, match="at least one observation"):
            ask(graph, synthetic.random_observations(graph, 1)[:0])
