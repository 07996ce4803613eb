"""The graph's checks, and quantization against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparse_rl.architecture.operations import ArgMax, Flatten, Observation, Relu, Squash
from sparse_rl.architecture.shapes import padding_before_and_after, window_count
from sparse_rl.artifact.graph import Dense, Graph, Residual
from sparse_rl.artifact.weights import DynamicScale, StaticScale, Weights, quantize_weights

FLOATS = st.floats(-1e6, 1e6, width=32)


def dense(inputs, outputs):
    return Dense(Weights(np.ones((inputs, outputs), np.float32)), np.zeros(outputs, np.float32))


@given(arrays(np.float32, (5, 3), elements=FLOATS))
def test_weights_are_rounded_to_the_nearest_of_255_levels(kernel):
    weights = quantize_weights(kernel, per_output_channel=False)
    largest = np.abs(kernel).max()
    step = largest / 127 if largest > 0 else 0
    assert np.abs(weights.dequantized() - kernel).max() <= step * 0.5001 + 1e-30
    assert np.abs(weights.values.astype(int)).max() <= 127
    assert (weights.values[kernel == 0] == 0).all()


def test_convolutions_have_a_scale_per_output_channel():
    kernel = np.ones((3, 3, 2, 2), np.float32) * np.array([1.0, 100.0], np.float32)
    weights = quantize_weights(kernel, per_output_channel=True)
    np.testing.assert_allclose(weights.scale, np.array([1.0, 100.0]) / 127, rtol=1e-6)
    assert (weights.values == 127).all()


@pytest.mark.parametrize(
    ("size", "window", "stride"), [(10, 3, 1), (11, 3, 2), (84, 8, 4), (7, 5, 3), (5, 2, 2)]
)
def test_same_padding_covers_every_position(size, window, stride):
    before, after = padding_before_and_after(size, window, stride, "SAME")
    assert window_count(size, window, stride, "SAME") == -(-size // stride)
    assert (size + before + after - window) // stride + 1 == -(-size // stride)
    assert 0 <= after - before <= 1


def test_shapes_that_do_not_fit_are_refused():
    observation = Observation((4,))
    with pytest.raises(ValueError, match=r"dense \(5, 2\) after shape \(4,\)"):
        Graph(observation, (dense(5, 2),), ArgMax())
    with pytest.raises(ValueError, match="action bounds have 1 elements, the last layer 2"):
        Graph(observation, (dense(4, 2),), Squash((0.0,), (1.0,)))
    with pytest.raises(ValueError, match="expected one axis"):
        Graph(Observation((2, 2, 1)), (Relu(),), ArgMax())
    with pytest.raises(ValueError, match="residual body"):
        Graph(observation, (Residual((dense(4, 2),)), Flatten()), ArgMax())


def test_impossible_parts_are_refused():
    kernel, bias = np.ones((2, 2), np.float32), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="quantized inputs need int8 weights"):
        Dense(Weights(kernel), bias, DynamicScale())
    with pytest.raises(ValueError, match=r"\[-127, 127\]"):
        Weights(np.full((2, 2), -128, np.int8), np.ones(1, np.float32))
    with pytest.raises(ValueError, match="positive"):
        StaticScale(0.0)
    with pytest.raises(ValueError, match="dtype"):
        Observation((2,), "int64")  # type: ignore[arg-type]
