"""Lossless compaction: hidden units that no weight reaches, or that reach nothing, are removed.

A unit whose incoming weights are all zero is constant, c = f(bias), with f the ReLU or tanh behind
it, if any. Its contribution to the next layer is a constant, which is folded into that layer's
bias; a unit whose outgoing weights are all zero has no contribution. Removing units can starve
others, so this repeats until nothing changes.

What is exact depends on how the next layer quantizes its input:

- float inputs: the constant is folded (the same real number; float32 rounding of one sum);
- a static scale: the same, with c quantized first;
- a dynamic scale: the largest input decides the scale, so a unit matters even if no weight leaves
  it. Only constant units can go: those that are zero, and those without outgoing weights, whose
  magnitude then remains as the scale's `floor`.

The same holds for convolution channels, with two more exceptions: zeros around the image (SAME
padding) are no constant channel, so only zero or unread channels go there; and the channels of a
residual stream are never touched, only those inside its bodies. No unit goes that a layer norm
reads: it mixes all of them. The normalization of an observation is folded into a dense layer that
reads it in float32, where its clip can never act; everywhere else it stays an operation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Flatten, Relu, Tanh
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    Layer,
    Normalize,
    Operation,
    Residual,
    shape_after,
)
from sparse_rl.artifact.reference import apply
from sparse_rl.artifact.removal import (
    by_unit,
    next_layer,
    positions_read,
    without_inputs,
    without_outputs,
)
from sparse_rl.artifact.weights import DynamicScale, StaticScale, Weights, quantize


def compact(graph: Graph) -> Graph:
    """The same function of every observation with fewer units, exact as stated above."""
    operations = _with_folded_normalization(graph)
    while True:
        operations, removed = _pass(operations, graph.observation.shape)
        if not removed:
            return replace(graph, operations=operations)


def _pass(
    operations: tuple[Operation, ...], shape: tuple[int, ...]
) -> tuple[tuple[Operation, ...], int]:
    """One sweep over all pairs of neighbouring layers."""
    steps = list(operations)
    removed = 0
    shapes = [shape]
    for step in steps:
        shapes.append(shape_after(step, shapes[-1]))
    for position, step in enumerate(steps):
        if isinstance(step, Residual):
            body, inside = _pass(step.body, shapes[position])
            steps[position] = Residual(body)
            removed += inside
        elif isinstance(step, Layer):
            following = next_layer(steps, position)
            if following is None:
                continue
            between = steps[position + 1 : following]
            consumer = steps[following]
            assert isinstance(consumer, Layer)
            positions = positions_read(between, shapes[position + 1 : following])
            plan = _plan(step, consumer, between, positions)
            if plan.keep.all():
                continue
            removed += int((~plan.keep).sum())
            steps[position] = without_outputs(step, plan.keep)
            steps[following] = _folded(without_inputs(consumer, plan.keep, positions), plan)
    return tuple(steps), removed


def _with_folded_normalization(graph: Graph) -> tuple[Operation, ...]:
    """W / deviation and b - (mean / deviation) W in place of a normalization that never clips."""
    steps = graph.operations
    if len(steps) < 2 or not isinstance(steps[0], Normalize):
        return steps
    flat = 1 + isinstance(steps[1], Flatten)
    normalize, layer = steps[0], steps[flat] if flat < len(steps) else None
    if not isinstance(layer, Dense) or layer.weights.scale is not None:
        return steps
    mean, deviation = (x.ravel().astype(np.float64) for x in (normalize.mean, normalize.deviation))
    if graph.observation.dtype == "float32":
        largest = np.inf
    else:
        top = (255 if graph.observation.dtype == "uint8" else 1) / graph.observation.divisor
        largest = float((np.maximum(np.abs(mean), np.abs(top - mean)) / deviation).max())
    if not largest < normalize.limit and np.isfinite(normalize.limit):
        return steps
    values = layer.weights.values.astype(np.float64)
    kernel = (values / deviation[:, None]).astype(np.float32)
    bias = (layer.bias - (mean / deviation) @ values).astype(np.float32)
    folded = replace(layer, weights=Weights(kernel), bias=bias)
    return (*steps[1:flat], folded, *steps[flat + 1 :])


@dataclass(frozen=True)
class _Plan:
    keep: NDArray[np.bool_]
    bias: NDArray[np.float32]
    """The consumer's bias with the removed constants folded in."""
    floor: float


def _plan(producer: Layer, consumer: Layer, between: list[Operation], positions: int) -> _Plan:
    incoming = producer.weights.values
    constant = ~np.any(incoming, axis=tuple(range(incoming.ndim - 1)))
    level = producer.bias
    for step in between:
        if isinstance(step, Relu | Tanh):
            level = apply(step, level)
    per_unit = by_unit(consumer, positions)
    unread = ~np.any(per_unit, axis=(1, 2))
    foldable = unread | (level == 0)
    if not (isinstance(consumer, Convolution) and consumer.padding == "SAME"):
        foldable = foldable | ~np.isnan(level)
    scale = consumer.input_scale
    if isinstance(scale, DynamicScale):
        remove = constant & (unread | (level == 0))
    else:
        remove = unread | (constant & foldable)
    keep = ~remove
    if not keep.any():
        keep[0] = True
    gone = ~keep & constant
    bias, floor = consumer.bias, 0.0
    if isinstance(scale, DynamicScale):
        floor = max(scale.floor, float(np.abs(level[gone]).max(initial=0)))
    elif gone.any():
        values = level[gone].astype(np.float64)
        if isinstance(scale, StaticScale):
            values = quantize(level[gone], np.float32(scale.scale)) * float(np.float32(scale.scale))
        per_output = (
            1.0 if consumer.weights.scale is None else consumer.weights.scale.astype(np.float64)
        )
        contribution = np.einsum("u,upo->o", values, per_unit[gone].astype(np.float64)) * per_output
        bias = (bias + contribution).astype(np.float32)
    return _Plan(keep, bias, floor)


def _folded(consumer: Layer, plan: _Plan) -> Layer:
    """The consumer with what the removed constants leave behind."""
    scale = consumer.input_scale
    if isinstance(scale, DynamicScale):
        scale = DynamicScale(max(scale.floor, plan.floor))
    return replace(consumer, bias=plan.bias, input_scale=scale)
