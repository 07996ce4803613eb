"""The integer path: near the quantized graph by a stated bound, in range whatever it reads."""

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import fixed_point, reference
from sparse_rl.artifact.calibration import largest_inputs, with_static_scales
from sparse_rl.artifact.fixed_point import STREAM_LIMIT, to_fixed_point
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.weights import StaticScale


def calibrated(architecture, sparsity=0.8):
    graph = architecture(sparsity=sparsity, quantization="int8")
    observations = synthetic.random_observations(graph, 64)
    static = with_static_scales(graph, observations)
    return static, to_fixed_point(static, observations), observations


def test_outputs_are_those_of_the_static_graph_but_for_rounding_edges(architecture):
    static, fixed, observations = calibrated(architecture)
    expected = reference.outputs(static, observations)
    found = fixed_point.outputs(fixed, observations)
    # Both round the same numbers to int8. They differ where one lies on an edge, by one of the 127
    # steps of an activation: the stated bound is 3 % of the range of outputs, and mostly far less.
    span = np.abs(expected).max()
    assert np.abs(found - expected).max() < 0.03 * span
    assert np.median(np.abs(found - expected)) < 0.003 * span


def test_scales_are_the_largest_inputs_over_127(architecture):
    graph = architecture(sparsity=0.8, quantization="int8")
    observations = synthetic.random_observations(graph, 16)
    static = with_static_scales(graph, observations)
    found = [layer.input_scale for layer in layers(static.operations)]
    expected = largest_inputs(graph, observations)
    for scale, largest in zip(found, expected, strict=True):
        assert isinstance(scale, StaticScale)
        assert scale.scale == pytest.approx(largest / 127, rel=1e-6)
    x = reference.prepare(graph, observations)
    assert expected[0] == np.abs(x).max()


def test_far_observations_saturate():
    graph = synthetic.mlp_actor((4, 16, 3), 0.0, "int8")
    observations = synthetic.random_observations(graph, 32)
    fixed = to_fixed_point(with_static_scales(graph, observations), observations)
    far = np.full((1, 4), 3e38, np.float32)
    clipped = np.full((1, 4), np.float32(np.abs(observations).max()) * 2, np.float32)
    np.testing.assert_array_equal(
        fixed_point.outputs(fixed, far), fixed_point.outputs(fixed, clipped)
    )
    assert np.abs(fixed_point.outputs(fixed, far)).max() <= STREAM_LIMIT * fixed.unit


def test_only_static_int8_graphs_have_an_integer_path():
    graph = synthetic.mlp_actor((4, 16, 3), 0.0, "int8")
    observations = synthetic.random_observations(graph, 4)
    with pytest.raises(ValueError, match="static activation scales"):
        to_fixed_point(graph, observations)
    with pytest.raises(ValueError, match="int8 weights in every layer"):
        with_static_scales(synthetic.mlp_actor((4, 3), 0.0, "float32"), observations)
    with pytest.raises(ValueError, match="at least one observation"):
        with_static_scales(graph, observations[:0])
