"""The passes `int8`, `int8w`, `integer`, `int8_static` and `int4w`: quantization alone.

The rule is that of training (`artifact.weights`): symmetric, q = round(clip(x / s, -L, L)), with
L = 127 in eight bits and 7 in four.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl import architecture as data
from sparse_rl.artifact.binding import bind, unbind
from sparse_rl.artifact.calibration import inputs_of_layers, largest_inputs
from sparse_rl.artifact.graph import Convolution, Graph, Layer, layers, with_layers
from sparse_rl.artifact.reference import prepare
from sparse_rl.artifact.weights import (
    DynamicScale,
    InputScale,
    StaticScale,
    Weights,
    quantize,
    quantize_weights,
    scale_of,
)
from sparse_rl.compression.options import (
    DynamicOptions,
    IntegerOptions,
    StaticOptions,
    WeightOptions,
)
from sparse_rl.compression.policies import Pass, each

Rule = Callable[[NDArray, bool], Weights]
"""From a kernel, and whether each output has a scale of its own, to its weights."""

_LARGEST = np.float32(7)
_CANDIDATES = 100
"""Scales that are tried for the least mean squared error, from 1 to 100 % of the largest input."""


def build_dynamic(options: DynamicOptions) -> Pass:
    """int8 weights, and inputs whose scale is found anew for each observation."""
    return each(lambda graph, _: quantized(graph, options.scales, DynamicScale()))


def build_weights(options: WeightOptions) -> Pass:
    """int8 weights, float32 inputs."""
    return each(lambda graph, _: quantized(graph, options.scales, None))


def build_four_bits(options: WeightOptions) -> Pass:
    """Weights of fifteen values, float32 inputs; one scale of each output unless said otherwise."""
    scales = "channel" if options.scales == "trained" else options.scales
    return each(lambda graph, _: quantized(graph, scales, None, in_four_bits))


def build_static(options: StaticOptions) -> Pass:
    """int8 weights, and inputs whose scales are fixed on the policy's own observations."""
    return each(lambda graph, seen: with_fixed_scales(graph, seen, options))


def build_integer(_: IntegerOptions) -> Pass:
    """int8 weights and inputs in fixed powers of two, by the largest inputs that were seen."""
    return each(in_powers_of_two)


def in_powers_of_two(graph: Graph, observations: NDArray) -> Graph:
    """The graph as if it had been trained in this arithmetic, and had met these observations.

    The rule is that of `quantization.powers_of_two`.
    """
    network, arrays = unbind(graph)
    largest: list[float | NDArray] = list(largest_inputs(graph, observations))
    if network.measures:
        largest[0] = np.abs(prepare(graph, observations)).max(axis=0)
    for layer, inputs in zip(data.layers(network), largest, strict=True):
        arrays[f"{layer.path}/{data.LARGEST_INPUT}"] = np.asarray(inputs, np.float32)
    return bind(network, arrays, "integer")


def quantized(
    graph: Graph, scales: str, inputs: InputScale, rule: Rule = quantize_weights
) -> Graph:
    """The graph with weights quantized by the rule, all layers' inputs as `inputs` says."""

    def change(layer: Layer) -> Layer:
        channel = scales == "channel" or (scales == "trained" and isinstance(layer, Convolution))
        weights = rule(layer.weights.dequantized(), channel)
        return replace(layer, weights=weights, input_scale=inputs)

    return _changed(graph, change)


def in_four_bits(kernel: NDArray, per_output_channel: bool) -> Weights:
    """Weights whose values are the whole numbers from -7 to 7."""
    axes = tuple(range(kernel.ndim - 1)) if per_output_channel else tuple(range(kernel.ndim))
    top = np.max(np.abs(kernel), axis=axes, keepdims=True, initial=np.float32(0))
    scale = (np.where(top == 0, np.float32(1), top) / _LARGEST).astype(np.float32)
    clipped = np.clip(kernel / scale, -_LARGEST, _LARGEST)
    values = np.rint(clipped).astype(np.int8)
    return Weights(values, scale.reshape(-1))


def with_fixed_scales(graph: Graph, observations: NDArray, options: StaticOptions) -> Graph:
    """int8 weights, and input scales from what the layers of `graph` read of the observations."""
    if options.calibration == "minmax":
        tops = largest_inputs(graph, observations)
    else:
        magnitudes = [np.abs(inputs) for inputs in inputs_of_layers(graph, observations)]
        tops = [CALIBRATIONS[options.calibration](seen, options) for seen in magnitudes]
        if not all(tops):  # an input that is nearly always zero has a percentile of zero
            largest = largest_inputs(graph, observations)
            tops = [top or most for top, most in zip(tops, largest, strict=True)]
    scales = iter([StaticScale(float(scale_of(np.array(top, np.float32)))) for top in tops])
    rounded = quantized(graph, options.scales, None)
    return _changed(rounded, lambda layer: replace(layer, input_scale=next(scales)))


def _percentile(magnitudes: NDArray, options: StaticOptions) -> float:
    return float(np.percentile(magnitudes, options.percentile)) if magnitudes.size else 0.0


def _least_error(magnitudes: NDArray, _: StaticOptions) -> float:
    """The top whose scale has the least mean squared error of rounding and clipping."""
    top = float(magnitudes.max(initial=0))
    if top == 0:
        return 0.0
    tried = top * np.arange(1, _CANDIDATES + 1) / _CANDIDATES

    def error(candidate: float) -> float:
        scale = scale_of(np.array(candidate, np.float32))
        rounded = quantize(magnitudes, scale).astype(np.float32) * scale
        return float(np.square(rounded - magnitudes, dtype=np.float64).mean())

    return float(min(tried, key=error))


CALIBRATIONS: dict[str, Callable[[NDArray, StaticOptions], float]] = {
    "percentile": _percentile,
    "mse": _least_error,
}
"""How large the inputs of a layer are taken to be, from magnitudes of them; minmax knows all."""


def _changed(graph: Graph, change: Callable[[Layer], Layer]) -> Graph:
    replaced = (change(layer) for layer in layers(graph.operations))
    return replace(graph, operations=with_layers(graph.operations, replaced))
