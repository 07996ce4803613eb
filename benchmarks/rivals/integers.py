"""A chain of dense layers in the int8 of TensorFlow Lite, which its rivals share.

Activations have a scale and a zero point, weights a scale for each layer, both from the largest
values; sums are int32 and return to int8 by a multiplication and a shift ("LiteRT 8-bit
quantization specification"; Jacob et al. 2018, arXiv 1712.05877, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Relu, Squash
from sparse_rl.artifact.graph import Dense, Graph

LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Scale:
    """real = scale (integer - zero)."""

    scale: float
    zero: int

    def rounded(self, values: NDArray[np.float32]) -> NDArray[np.int8]:
        whole = np.floor(values / np.float32(self.scale) + np.float32(0.5)) + self.zero
        return np.clip(whole, LOWEST, HIGHEST).astype(np.int8)


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """One dense layer; a ReLU is the lower end of its output's range."""

    weights: NDArray[np.int8]
    """[outputs, inputs]"""
    weight_scale: float
    bias: NDArray[np.int32]
    relu: bool
    inputs: Scale
    outputs: Scale

    @property
    def multiplier_and_shift(self) -> tuple[int, int]:
        """multiplier 2^(shift - 31) is the factor from a sum to an output's steps."""
        factor = self.inputs.scale * self.weight_scale / self.outputs.scale
        mantissa, exponent = np.frexp(factor)
        multiplier = round(float(mantissa) * 2**31)
        if multiplier == 2**31:
            return 2**30, int(exponent) + 1
        return multiplier, int(exponent)


def quantized(graph: Graph, observations: NDArray[np.float32]) -> tuple[IntegerLayer, ...]:
    """Layers whose ranges are those of `observations` [n, inputs].

    Raises ValueError for a graph that is not dense layers with ReLU between them, and tanh.
    """
    steps = [step for step in graph.operations if not isinstance(step, Relu)]
    if not all(isinstance(step, Dense) for step in steps) or not isinstance(graph.output, Squash):
        raise ValueError("rivals are given dense layers, ReLU and tanh")
    x, made = observations, []
    seen = _range(x)
    for number, layer in enumerate(steps):
        assert isinstance(layer, Dense)
        values, relu = layer.weights.values.T, number < len(steps) - 1
        x = x @ values.T + layer.bias
        x = np.maximum(x, 0) if relu else x
        scale = float(np.abs(values).max()) / HIGHEST
        weights = np.rint(values / scale).astype(np.int8)
        bias = np.rint(layer.bias / (seen.scale * scale)).astype(np.int32)
        made.append(IntegerLayer(weights, scale, bias, relu, seen, _range(x)))
        seen = made[-1].outputs
    return tuple(made)


def outputs(chain: tuple[IntegerLayer, ...], observations: NDArray[np.float32]) -> NDArray:
    """int8 outputs [n, m] of the last layer."""
    x = chain[0].inputs.rounded(observations)
    for layer in chain:
        sums = (x.astype(np.int64) - layer.inputs.zero) @ layer.weights.T.astype(np.int64)
        multiplier, shift = layer.multiplier_and_shift
        steps = _scaled(sums + layer.bias, multiplier, shift) + layer.outputs.zero
        lowest = layer.outputs.zero if layer.relu else LOWEST
        x = np.clip(steps, lowest, HIGHEST).astype(np.int8)
    return x


def actions(chain: tuple[IntegerLayer, ...], observations: NDArray[np.float32]) -> NDArray:
    """tanh of the outputs [n, m]."""
    last = chain[-1].outputs
    whole = outputs(chain, observations).astype(np.float32) - last.zero
    return np.tanh(whole * np.float32(last.scale))


def _range(values: NDArray) -> Scale:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = float(np.float32((high - low) / (HIGHEST - LOWEST))) or 1.0
    return Scale(scale, int(np.clip(np.rint(LOWEST - low / scale), LOWEST, HIGHEST)))


def _scaled(sums: NDArray[np.int64], multiplier: int, shift: int) -> NDArray[np.int64]:
    """Twice the high half of a product, then a division by a power of two; both round, the second
    half away from zero."""
    raised = (sums << max(shift, 0)) * multiplier
    high = (raised + (1 << 30)) >> 31
    right = max(-shift, 0)
    if not right:
        return high
    half = 1 << (right - 1)
    return np.where(high < 0, -((-high + half) >> right), (high + half) >> right)
