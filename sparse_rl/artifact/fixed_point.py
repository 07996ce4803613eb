"""The integer path: a static int8 graph turned into integer arithmetic, and its NumPy forward pass.

Between layers every tensor is int32 in units of one power of two, `unit`. A layer quantizes its
input to int8 with an integer multiplication and a shift, accumulates int8 x int8 products in int32,
and returns to the common unit with one multiplier per output channel:

    q = clip((x * input_multiplier + half) >> input_shift, -127, 127)
    y = clip((sum(q * w) * multiplier + half) >> shift) + bias

Residual additions, ReLU and max pooling need no scale at all this way. Floating point is left only
at the two edges: to read an observation that is float or normalized, and to make an action of the
last outputs. Tanh and layer norm between layers have no integer form here. The generated C
repeats this arithmetic exactly (after Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Relu, Tanh
from sparse_rl.artifact.calibration import largest_value
from sparse_rl.artifact.fixed_scales import is_static
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    Layer,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
    layers,
)
from sparse_rl.artifact.reference import action_of, apply, prepare, windows
from sparse_rl.artifact.weights import LARGEST_INTEGER, StaticScale

STREAM_LIMIT = 1 << 29
"""Largest magnitude of a tensor element: the sum of two still fits in int32."""
_CALIBRATED_LIMIT = 1 << 20
_MULTIPLIER_BITS = 30
_NAMES = {Tanh: "tanh", LayerNorm: "layer norm", Rescale: "rescaled observation"}


@dataclass(frozen=True, eq=False)
class LayerArithmetic:
    """Integer constants of one layer; multipliers are int32, shifts lie in [1, 62]."""

    input_multiplier: int
    input_shift: int
    multiplier: NDArray[np.int64]
    shift: int
    bias: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A static graph with its integer constants, one per layer in the order of `layers`."""

    graph: Graph
    unit: float
    arithmetic: tuple[LayerArithmetic, ...]

    @property
    def pixel_multiplier(self) -> int:
        """Units per step of a uint8 or bool observation."""
        return round(1.0 / (self.graph.observation.divisor * self.unit))


def refusal(graph: Graph) -> str | None:
    """Why a graph has no integer path, or None."""

    def first(operations: tuple[Operation, ...], at_the_edge: bool) -> str | None:
        for position, operation in enumerate(operations):
            if isinstance(operation, Residual) and (found := first(operation.body, False)):
                return found
            if isinstance(operation, Tanh | LayerNorm | Rescale):
                return _NAMES[type(operation)]
            if isinstance(operation, Normalize) and not (at_the_edge and position == 0):
                return "normalization behind the first operation"
        return None

    found = first(graph.operations, True)
    return found and f"the integer path has no {found}"


def to_fixed_point(graph: Graph, observations: NDArray) -> FixedPoint:
    """Integer constants for a static graph; `observations` [batch, *shape] choose the unit.

    The unit is the power of two that gives the largest calibrated value 20 bits, so nine bits are
    left for values beyond it. Raises ValueError where the graph is not static.
    """
    return with_unit(
        graph, 2.0 ** np.ceil(np.log2(largest_value(graph, observations) / _CALIBRATED_LIMIT))
    )


def with_unit(graph: Graph, unit: float) -> FixedPoint:
    """Integer constants for a static graph and a given unit."""
    if not is_static(graph):
        raise ValueError("the integer path needs int8 weights and static activation scales")
    if problem := refusal(graph):
        raise ValueError(problem)
    return FixedPoint(
        graph,
        float(unit),
        tuple(_arithmetic(layer, float(unit)) for layer in layers(graph.operations)),
    )


def act(fixed: FixedPoint, observations: NDArray) -> NDArray:
    """Actions of a batch of observations by integer arithmetic."""
    return action_of(fixed.graph, outputs(fixed, observations))


def outputs(fixed: FixedPoint, observations: NDArray) -> NDArray[np.float32]:
    """The last layer's outputs [batch, n], as the generated C computes them."""
    order = {id(layer): k for k, layer in enumerate(layers(fixed.graph.operations))}

    def step(operation: Operation, x: NDArray[np.int64]) -> NDArray[np.int64]:
        if isinstance(operation, Residual):
            inner = x
            for inside in operation.body:
                inner = step(inside, inner)
            return _limited(x + inner)
        if isinstance(operation, Layer):
            return _layer(operation, fixed.arithmetic[order[id(operation)]], x)
        if isinstance(operation, Relu):
            return np.maximum(x, 0)
        return np.asarray(apply(operation, x.astype(np.float64))).astype(np.int64)  # type: ignore[arg-type]

    batches = []
    size = max(1, (1 << 22) // (64 * int(np.prod(fixed.graph.observation.shape))))
    for start in range(0, len(observations), size):
        x = _prepare(fixed, observations[start : start + size])
        for operation in fixed.graph.operations[reads_floats_by(fixed.graph) is not None :]:
            x = step(operation, x)
        batches.append(x.astype(np.float32) * np.float32(fixed.unit))
    return np.concatenate(batches)


def reads_floats_by(graph: Graph) -> Normalize | None:
    """The normalization with which the observation is read, in float32."""
    first = graph.operations[0]
    return first if isinstance(first, Normalize) else None


def _prepare(fixed: FixedPoint, observations: NDArray) -> NDArray[np.int64]:
    normalize = reads_floats_by(fixed.graph)
    if fixed.graph.observation.dtype != "float32" and normalize is None:
        return observations.astype(np.int64) * fixed.pixel_multiplier
    limit = np.float32(STREAM_LIMIT)
    if normalize is None:
        factor = np.float32(1.0 / (fixed.graph.observation.divisor * fixed.unit))
        x = observations.astype(np.float32)
    else:
        factor = np.float32(1.0 / fixed.unit)
        x = apply(normalize, prepare(fixed.graph, observations))
    with np.errstate(over="ignore"):
        scaled = np.clip(x * factor, -limit, limit)
    # Round half away from zero: what a cast in C gives without the mathematics library.
    return (scaled + np.where(scaled < 0, np.float32(-0.5), np.float32(0.5))).astype(np.int64)


def _layer(layer: Layer, numbers: LayerArithmetic, x: NDArray[np.int64]) -> NDArray[np.int64]:
    q = np.clip(
        _shifted(x * numbers.input_multiplier, numbers.input_shift),
        -LARGEST_INTEGER,
        LARGEST_INTEGER,
    )
    values = layer.weights.values
    if isinstance(layer, Convolution):
        patches = windows(q, values.shape[:2], layer.strides, layer.padding, 0)
        q = patches.reshape(*patches.shape[:3], -1)
        values = values.reshape(-1, values.shape[-1])
    # Whole numbers below 2^53 are exact in float64, whose products are fast.
    total = (q.astype(np.float64) @ values.astype(np.float64)).astype(np.int64)
    return _limited(_limited(_shifted(total * numbers.multiplier, numbers.shift)) + numbers.bias)


def _shifted(x: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    return (x + (1 << (shift - 1))) >> shift


def _limited(x: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(x, -STREAM_LIMIT, STREAM_LIMIT)


def _arithmetic(layer: Dense | Convolution, unit: float) -> LayerArithmetic:
    assert isinstance(layer.input_scale, StaticScale) and layer.weights.scale is not None
    fan_in = layer.weights.values.size // max(1, layer.weights.values.shape[-1])
    if fan_in * LARGEST_INTEGER**2 >= 1 << 31:
        raise ValueError(f"a layer with {fan_in} inputs per output overflows int32 accumulation")
    input_ratio = np.array([unit / layer.input_scale.scale])
    outputs = len(layer.bias)
    output_ratio = np.broadcast_to(
        layer.input_scale.scale * layer.weights.scale.astype(np.float64) / unit, (outputs,)
    )
    input_multiplier, input_shift = _multiplier_and_shift(input_ratio)
    multiplier, shift = _multiplier_and_shift(output_ratio)
    bias = np.clip(np.rint(layer.bias.astype(np.float64) / unit), -STREAM_LIMIT, STREAM_LIMIT)
    return LayerArithmetic(
        int(input_multiplier[0]), input_shift, multiplier, shift, bias.astype(np.int32)
    )


def _multiplier_and_shift(ratios: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """ratios ~ multiplier / 2^shift, the largest multiplier with 30 bits."""
    largest = float(ratios.max(initial=2.0**-40))
    shift = min(62, _MULTIPLIER_BITS - int(np.floor(np.log2(largest))) - 1)
    if shift < 1:
        raise ValueError(f"a scale ratio of {largest:g} is outside the range of the integer path")
    return np.rint(ratios * 2.0**shift).astype(np.int64), shift
