"""Quantization after training against the rule of training, and against independent numbers."""

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.calibration import inputs_of_layers, largest_inputs
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Convolution, Dense, Residual, layers
from sparse_rl.artifact.weights import DynamicScale, StaticScale, quantize, quantize_weights
from sparse_rl.compression.options import (
    DynamicOptions,
    IntegerOptions,
    StaticOptions,
    WeightOptions,
)
from sparse_rl.compression.policies import Policies
from sparse_rl.compression.post_training import (
    build_dynamic,
    build_four_bits,
    build_integer,
    build_static,
    build_weights,
)


def after(build, options, graph, observations):
    policies = Policies((graph,), (graph,), (observations,), (0,))
    return build(options)(policies).graphs[0]


@pytest.fixture
def graph(architecture):
    return architecture(sparsity=0.8, quantization="float32", seed=2)


@pytest.fixture
def observations(graph):
    return synthetic.random_observations(graph, 50, 0)


def test_dynamic_is_what_training_would_deliver(graph, observations, architecture):
    found = after(build_dynamic, DynamicOptions(), graph, observations)
    trained = architecture(sparsity=0.8, quantization="int8", seed=2)
    for one, other in zip(layers(found.operations), layers(trained.operations), strict=True):
        assert one.input_scale == DynamicScale() == other.input_scale
        np.testing.assert_array_equal(one.weights.values, other.weights.values)
        np.testing.assert_array_equal(one.weights.scale, other.weights.scale)


def test_powers_of_two_stay_within_their_steps(graph, observations):
    found = after(build_integer, IntegerOptions(), graph, observations)
    largest = largest_inputs(graph, observations)
    for layer, seen in zip(layers(found.operations), largest, strict=True):
        assert unit_of(layer) is not None
        if layer.input_scale != StaticScale(1.0):  # otherwise the observation is rescaled
            scale = layer.input_scale.scale
            assert 127 * scale >= seen > 127 * scale / 2
    expected = reference.outputs(graph, observations)
    off = np.abs(reference.outputs(found, observations) - expected).max()
    assert 0 < off < 0.15 * np.abs(expected).max()


def test_each_quantity_of_an_observation_has_its_own_power():
    graph = synthetic.mlp_actor((3, 8, 2), 0.0, "float32")
    observations = np.array([[1.0, -8.0, 300.0], [-0.9, 2.0, 1.0]], np.float32)
    found = after(build_integer, IntegerOptions(), graph, observations)
    # 127 / 64 >= 1, 127 / 8 >= 8, 127 * 4 >= 300.
    assert found.operations[0].exponents.tolist() == [6, 3, -2]
    again = after(build_integer, IntegerOptions(), found, observations)
    np.testing.assert_array_equal(
        reference.outputs(again, observations), reference.outputs(found, observations)
    )


def test_weights_only_leaves_inputs_alone(graph, observations):
    found = after(build_weights, WeightOptions(), graph, observations)
    assert all(layer.input_scale is None for layer in layers(found.operations))
    assert all(layer.weights.values.dtype == np.int8 for layer in layers(found.operations))


@pytest.mark.parametrize("scales", ["layer", "channel"])
def test_scales_of_weights(graph, observations, scales):
    found = after(build_weights, WeightOptions(scales=scales), graph, observations)
    for one, given in zip(layers(found.operations), layers(graph.operations), strict=True):
        wanted = quantize_weights(given.weights.values, scales == "channel")
        np.testing.assert_array_equal(one.weights.values, wanted.values)
        np.testing.assert_array_equal(one.weights.scale, wanted.scale)


def test_four_bits(graph, observations):
    found = after(build_four_bits, WeightOptions(), graph, observations)
    for one, given in zip(layers(found.operations), layers(graph.operations), strict=True):
        kernel = given.weights.values
        assert np.abs(one.weights.values).max() <= 7
        top = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
        error = np.abs(one.weights.dequantized() - kernel)
        assert (error <= top / 14 * (1 + 1e-5)).all()  # half a step
        smaller = np.abs(kernel) < np.where(top == 0, 1, top) / 14
        np.testing.assert_array_equal(one.weights.values == 0, smaller)


def test_fixed_scales_from_the_largest_inputs(graph, observations):
    found = after(build_static, StaticOptions(), graph, observations)
    tops = largest_inputs(graph, observations)
    for layer, top in zip(layers(found.operations), tops, strict=True):
        assert isinstance(layer.input_scale, StaticScale)
        np.testing.assert_allclose(layer.input_scale.scale, max(top, 0) / 127 or 1 / 127, rtol=1e-6)


def test_calibrations_in_order(graph, observations):
    """A percentile is below the largest; the scale of least error has the least error."""
    scales = {
        name: [
            layer.input_scale.scale
            for layer in layers(
                after(
                    build_static,
                    StaticOptions(calibration=name, percentile=99),
                    graph,
                    observations,
                ).operations
            )
        ]
        for name in ("minmax", "percentile", "mse")
    }
    read = [np.abs(seen) for seen in inputs_of_layers(graph, observations)]

    def error(seen, scale):
        rounded = quantize(seen, np.float32(scale)).astype(np.float64) * scale
        return np.square(rounded - seen).mean()

    for index, seen in enumerate(read):
        largest, percentile, best = (
            scales[name][index] for name in ("minmax", "percentile", "mse")
        )
        assert percentile <= largest and best <= largest * (1 + 1e-6)
        np.testing.assert_allclose(percentile * 127, np.percentile(seen, 99), rtol=1e-5)
        assert error(seen, best) <= error(seen, largest) * (1 + 1e-6)


def test_the_scale_of_least_error_clips_what_is_far_from_the_rest():
    """A single 10 among a million numbers of deviation 1 would more than double every step."""
    graph = synthetic.mlp_actor((1000, 8, 2), 0.0, "float32")
    seen = np.random.default_rng(0).standard_normal((1_000, 1_000)).astype(np.float32)
    seen[3, 5] = 10.0
    found = after(build_static, StaticOptions(calibration="mse"), graph, seen)
    top = 127 * next(layers(found.operations)).input_scale.scale
    assert 3 < top < 7

    def error(largest):
        step = largest / 127
        return np.square(np.clip(np.rint(seen / step), -127, 127) * step - seen).mean()

    assert error(top) < 0.5 * error(10.0)
    assert error(top) == pytest.approx(min(error(0.1 * tried) for tried in range(1, 101)), rel=1e-3)


def test_inputs_of_layers_are_what_they_read(graph, observations):
    read = iter(inputs_of_layers(graph, observations))

    def walk(operations, x):
        for operation in operations:
            if isinstance(operation, Residual):
                walk(operation.body, x)
            elif isinstance(operation, Dense | Convolution):
                np.testing.assert_allclose(next(read), x.ravel(), rtol=1e-5, atol=1e-6)
            x = reference.apply(operation, x)

    walk(graph.operations, reference.prepare(graph, observations))
    assert next(read, None) is None


@pytest.mark.parametrize("scales", ["layer", "channel"])
def test_int8_weights_as_onnx_runtime_quantizes_them(graph, observations, scales):
    """Symmetric int8 with a scale of max|w| / 127, by ONNX Runtime's own quantizer."""
    quantization = pytest.importorskip("onnxruntime.quantization.quant_utils")
    found = after(build_weights, WeightOptions(scales=scales), graph, observations)
    for one, given in zip(layers(found.operations), layers(graph.operations), strict=True):
        kernel = given.weights.values
        columns = np.moveaxis(kernel.reshape(-1, kernel.shape[-1]), -1, 0)
        groups = columns if scales == "channel" else [kernel.ravel()]
        made = one.weights.values.reshape(-1, kernel.shape[-1])
        for index, group in enumerate(groups):
            if not group.any():
                continue
            top = np.abs(group).max()
            zero, scale = quantization.compute_scale_zp(
                np.array(-top), np.array(top), np.array(-127), np.array(127), symmetric=True
            )
            wanted = quantization.quantize_nparray(1 + 2, group, scale, zero, -127, 127)
            np.testing.assert_allclose(one.weights.scale[index], scale, rtol=1e-6)
            mine = made[:, index] if scales == "channel" else made.ravel()
            apart = np.abs(mine.astype(int) - wanted.astype(int))
            assert apart.max() <= 1 and (apart > 0).mean() < 1e-3  # rounding of the scale
