"""What layers read of observations, against sums written out."""

import dataclasses

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.calibration import inputs_of_layers, largest_inputs
from sparse_rl.artifact.graph import Dense, layers
from sparse_rl.artifact.weights import Weights
from sparse_rl.compression.options import StaticOptions
from sparse_rl.compression.post_training import with_fixed_scales


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


def large_in_odd_units():
    """A second layer of 512 inputs, of which the odd ones are a hundred times the even ones."""
    base = synthetic.mlp_actor((4, 512, 2), 0.0, "float32")
    first, relu, second = base.operations
    kernel = np.zeros((4, 512), np.float32)
    kernel[0], kernel[0, 1::2] = 1, 100
    first = dataclasses.replace(first, weights=Weights(kernel), bias=np.zeros(512, np.float32))
    graph = dataclasses.replace(base, operations=(first, relu, second))
    seen = np.abs(synthetic.random_observations(graph, 2000)) + np.float32(0.1)
    seen[700, 0] = 50  # one observation that a sample may not have
    return graph, seen


def test_a_sample_has_its_share_of_every_unit():
    graph, seen = large_in_odd_units()
    inputs = inputs_of_layers(graph, seen)[1]
    assert 1_000_000 <= len(inputs) < 1_000_100
    # Half of all numbers are a hundred times what the other half is, of the same observations.
    share = (inputs > 10 * np.median(seen[:, 0])).mean()
    assert 0.45 < share < 0.55
    np.testing.assert_array_equal(inputs, inputs_of_layers(graph, seen)[1])


@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_the_largest_of_all_inputs_is_the_top_of_minmax(calibration):
    graph, seen = large_in_odd_units()
    fixed = with_fixed_scales(graph, seen, StaticOptions(calibration=calibration, percentile=99))
    top = 127 * list(layers(fixed.operations))[1].input_scale.scale
    if calibration == "minmax":
        assert top == pytest.approx(5000, rel=1e-6)
    else:
        assert 100 * np.percentile(seen[:, 0], 90) < top < 5000
