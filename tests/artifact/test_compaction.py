"""Compaction keeps the function, removes what it says, and leaves alone what it must."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import ArgMax, Flatten, Observation, Relu
from sparse_rl.artifact import reference
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import Convolution, Dense, Graph, layers
from sparse_rl.artifact.weights import DynamicScale, Weights


def unit_counts(graph):
    """Outputs of every layer."""
    return [len(layer.bias) for layer in layers(graph.operations)]


def float_dense(values, bias):
    return Dense(Weights(np.array(values, np.float32)), np.array(bias, np.float32))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sparsity", [0.9, 0.97])
@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "static"])
def test_the_function_stays_the_same(architecture, quantization, sparsity, seed):
    kind = "int8" if quantization == "static" else quantization
    graph = architecture(sparsity=sparsity, quantization=kind, seed=seed)
    observations = synthetic.random_observations(graph, 20, seed)
    if quantization == "static":
        graph = synthetic.with_static_scales(graph, observations)
    smaller = compact(graph)
    before, after = reference.outputs(graph, observations), reference.outputs(smaller, observations)
    if quantization == "int8":
        np.testing.assert_array_equal(after, before)
    else:
        np.testing.assert_allclose(after, before, rtol=0, atol=2e-6 * max(1, np.abs(before).max()))
    if quantization != "int8":  # there a unit goes only if it is constant
        assert sum(unit_counts(smaller)) < sum(unit_counts(graph))
    assert unit_counts(compact(smaller)) == unit_counts(smaller)


def test_constants_are_folded_and_dead_ends_go():
    first = float_dense([[1, 0, 0, 2]], [0.5, 3.0, -1.0, 0.25])  # units 1, 2 constant; 3 unread
    second = float_dense([[1, 1], [2, 0], [5, 5], [0, 0]], [0.0, 0.0])
    graph = Graph(Observation((1,)), (first, Relu(), second), ArgMax())
    smaller = compact(graph)
    kept, last = layers(smaller.operations)
    assert kept.weights.values.tolist() == [[1.0]]
    assert last.weights.values.tolist() == [[1.0, 1.0]]
    assert last.bias.tolist() == [6.0, 0.0]  # 2 * relu(3), and relu(-1) = 0 brings nothing


def test_removal_starves_further_layers():
    silent = float_dense([[0, 0]], [1.0, -1.0])
    middle = float_dense([[2, 0], [0, 7]], [0.5, -0.5])
    last = float_dense([[1, -1], [1, 1]], [0.0, 0.0])
    graph = Graph(Observation((1,)), (silent, Relu(), middle, Relu(), last), ArgMax())
    smaller = compact(graph)
    assert unit_counts(smaller) == [1, 1, 2]
    x = np.array([[5.0], [-3.0]], np.float32)
    np.testing.assert_array_equal(reference.outputs(smaller, x), [[2.5, -2.5]] * 2)


def test_a_dynamic_scale_keeps_units_that_may_be_the_largest():
    graph = synthetic.mlp_actor((5, 30, 20, 2), 0.95, "int8")
    unread = [~layer.weights.values.any(axis=1) for layer in layers(graph.operations)][1]
    fed = layers(graph.operations).__next__().weights.values.any(axis=0)
    assert (unread & fed).any()
    kept = unit_counts(compact(graph))[0]
    assert kept >= fed.sum()


def test_removed_constants_stay_as_the_floor_of_a_dynamic_scale():
    scale = np.ones(1, np.float32)
    first = Dense(Weights(np.array([[1, 0]], np.int8), scale), np.array([0, 9], np.float32), None)
    second = Dense(
        Weights(np.array([[1], [0]], np.int8), scale), np.zeros(1, np.float32), DynamicScale()
    )
    graph = Graph(Observation((1,)), (first, Relu(), second), ArgMax())
    smaller = compact(graph)
    assert unit_counts(smaller) == [1, 1]
    assert list(layers(smaller.operations))[1].input_scale == DynamicScale(9.0)
    x = np.linspace(-20, 20, 41, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(reference.outputs(smaller, x), reference.outputs(graph, x))


@pytest.mark.parametrize(("padding", "kept"), [("SAME", 2), ("VALID", 1)])
def test_constant_channels_stay_before_padded_convolutions(padding, kept):
    random = np.random.default_rng(0)
    kernel = random.standard_normal((3, 3, 1, 2)).astype(np.float32)
    kernel[..., 1] = 0
    first = Convolution(Weights(kernel), np.array([0.0, 1.0], np.float32), padding="SAME")
    second_kernel = random.standard_normal((3, 3, 2, 1)).astype(np.float32)
    second = Convolution(Weights(second_kernel), np.zeros(1, np.float32), padding=padding)
    graph = Graph(Observation((6, 6, 1)), (first, Relu(), second, Flatten()), ArgMax())
    smaller = compact(graph)
    assert unit_counts(smaller)[0] == kept
    x = random.standard_normal((4, 6, 6, 1)).astype(np.float32)
    np.testing.assert_allclose(
        reference.outputs(smaller, x), reference.outputs(graph, x), rtol=0, atol=1e-5
    )


def test_at_least_one_unit_is_left():
    nothing = float_dense([[0.0, 0.0]], [1.0, 2.0])
    graph = Graph(
        Observation((1,)), (nothing, Relu(), float_dense([[0.0], [0.0]], [4.0])), ArgMax()
    )
    smaller = compact(graph)
    assert unit_counts(smaller) == [1, 1]
    assert reference.outputs(smaller, np.ones((1, 1), np.float32)).tolist() == [[4.0]]
    assert replace(smaller).observation == graph.observation
