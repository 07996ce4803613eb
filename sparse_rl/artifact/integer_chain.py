"""Which graphs are integer arithmetic from the observation to the last outputs, and its shifts.

Where all scales are powers of two and every layer is read by one other layer alone, what lies
between two layers can be the second one's int8 input itself: v counts the first layer's units,

    q = clip(round_half_even(v / 2^shift), -127, 127),    2^shift = the second's input scale / unit

ReLU, max pooling and flattening come before or after that all the same, because rounding and
clipping are monotone and keep zero. So it is int8 between layers, int32 within them, and a shift
at the end of each. Residual sums, layer norm and tanh need numbers that int8 does not hold: graphs
with these have floats between their layers, and the same bits all the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Flatten, MaxPool, Relu
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Dense, Graph, Layer, Normalize, Rescale, layers
from sparse_rl.artifact.weights import LARGEST_INTEGER, StaticScale, exponent_of, largest_sum

_LONGEST_SHIFT = 30
_SMALLEST = -127
"""Exponent of the first scale: float32 holds one over it."""
_MOST = 1 << 30
"""Sums of products, and biases, stay below it: together they fit in int32."""


class LayerUnits(NamedTuple):
    """A layer's sums are whole multiples of `unit`; `shift` makes the next layer's input of them.

    A negative shift multiplies. None for the last layer.
    """

    unit: float
    shift: int | None


def units(graph: Graph) -> tuple[LayerUnits, ...] | None:
    """Of all layers in order of execution; None where a graph is no such chain."""
    read = graph.operations[0]
    chain = graph.operations[int(isinstance(read, Normalize | Rescale)) :]
    if not all(isinstance(step, Layer | Relu | MaxPool | Flatten) for step in chain):
        return None
    if not isinstance(chain[-1], Dense):
        return None
    every = list(layers(graph.operations))
    found = [unit_of(layer) for layer in every]
    fan_in = max(layer.weights.values[..., 0].size for layer in every)
    if None in found or fan_in * LARGEST_INTEGER**2 >= _MOST:
        return None
    shifts = [
        _exponent(after.input_scale) - int(np.log2(unit))
        for unit, (_, after) in zip(found, pairwise(every), strict=False)
        if unit is not None
    ]
    if any(abs(shift) > _LONGEST_SHIFT for shift in shifts):
        return None
    first = _exponent(every[0].input_scale)
    if first < _SMALLEST:
        return None
    if isinstance(read, Rescale):
        exponents = read.exponents.astype(int) - first  # the steps of an observation's quantities
        if exponents.min() < _SMALLEST or exponents.max() > -_SMALLEST:
            return None
    numbers = tuple(
        LayerUnits(unit, shift)
        for unit, shift in zip(found, [*shifts, None], strict=True)
        if unit is not None
    )
    fit = all(_fits(layer, units) for layer, units in zip(every, numbers, strict=True))
    return numbers if fit else None


def _fits(layer: Layer, numbers: LayerUnits) -> bool:
    """Whether int32 holds every sum while it is rounded, or float32 every output."""
    largest = largest_sum(layer.weights.values) + np.abs(whole_biases(layer, numbers)).max(
        initial=0
    )
    if numbers.shift is None:
        return float(largest) * numbers.unit <= float(np.finfo(np.float32).max)
    half = 1 << max(0, numbers.shift - 1)
    return bool(largest + half < 1 << 31)


def whole_biases(layer: Layer, numbers: LayerUnits) -> NDArray[np.int64]:
    """Biases in units of the layer's sums."""
    return np.rint(layer.bias.astype(np.float64) / numbers.unit).astype(np.int64)


def _exponent(scale: object) -> int:
    assert isinstance(scale, StaticScale)
    exponent = exponent_of(scale.scale)
    assert exponent is not None
    return exponent
