"""From the description in a packed file to the shapes of its arrays, and with these to a graph.

`description` says what it looks like. Nothing here trusts it: whatever is not one is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparse_rl.architecture.operations import (
    ArgMax,
    Clip,
    Flatten,
    MaxPool,
    Observation,
    Output,
    Relu,
    Squash,
    Tanh,
)
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
    shape_after,
)

_MOST_OPERATIONS = 1000


@dataclass(frozen=True)
class LayerSlot:
    """What must be known to read one layer's arrays."""

    shape: tuple[int, ...]
    integer: bool
    per_channel: bool
    input: str


@dataclass(frozen=True)
class PairSlot:
    """Two float32 arrays of one shape: of a layer norm, or of a normalization."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class RescaleSlot:
    """The exponents of a rescaled vector."""

    shape: tuple[int, ...]


Slot = LayerSlot | PairSlot | RescaleSlot
Content = tuple[Any, ...]
"""(weights, input scale, bias) of a layer, a pair of arrays, or one."""


def slots_of(description: Any) -> list[Slot]:
    """Shapes and kinds of all arrays in order of execution; ValueError for no description."""
    observation = _observation(description[0])
    slots: list[Slot] = []
    _walk(description[1], observation.shape, slots)
    return slots


def graph_of(description: Any, contents: Sequence[Content]) -> Graph:
    """The graph of a description and the arrays of its slots."""
    remaining = iter(contents)
    operations = tuple(_operation(item, remaining) for item in description[1])
    output: Output = ArgMax()
    if description[2] != "argmax":
        name, low, high = description[2]
        if name not in ("squash", "clip"):
            raise ValueError(f"output {name!r}")
        size = len(contents[-1][-1])
        bounds = _bounds(low, size), _bounds(high, size)
        output = Squash(*bounds) if name == "squash" else Clip(*bounds)
    return Graph(_observation(description[0]), operations, output)


def _bounds(value: Any, size: int) -> tuple[float, ...]:
    values = tuple(float(v) for v in (value if isinstance(value, list) else [value] * size))
    if not np.isfinite(values).all():
        raise ValueError("an action bound is not finite")
    return values


def _observation(item: Any) -> Observation:
    shape, dtype, divisor, stack = item
    if not (isinstance(divisor, int | float) and 0 < divisor < 1e30):
        raise ValueError(f"observation divisor {divisor!r}")
    return Observation(_sizes(shape), dtype, float(divisor), int(stack))


def _positive(item: Any) -> float:
    if not isinstance(item, int | float) or not 0 < item < 1e30:
        raise ValueError(f"number {item!r}")
    return float(item)


def _sizes(item: Any) -> tuple[int, ...]:
    if not isinstance(item, list) or not all(type(v) is int and 0 < v < 1 << 24 for v in item):
        raise ValueError(f"sizes {item!r}")
    return tuple(item)


def _pair(item: Any) -> tuple[int, int]:
    first, second = _sizes(item)
    return first, second


def _walk(items: Any, shape: tuple[int, ...], slots: list[Slot]) -> tuple[int, ...]:
    """Follow shapes through a description, collecting layers."""
    if not isinstance(items, list) or len(items) > _MOST_OPERATIONS:
        raise ValueError("operations")
    for item in items:
        name = item if isinstance(item, str) else item[0]
        if name == "residual":
            if _walk(item[1], shape, slots) != shape:
                raise ValueError("a residual body changes its shape")
            continue
        if name in ("dense", "conv"):
            slot = _slot(item, shape)
            slots.append(slot)
            shape = _shape_after_layer(item, slot, shape)
        elif name == "rescale":
            if len(shape) != 1:
                raise ValueError(f"rescale after shape {shape}")
            slots.append(RescaleSlot(shape))
        elif name in ("norm", "normalize"):
            slots.append(PairSlot(shape[-1:] if name == "norm" else shape))
        else:
            shape = shape_after(_operation(item, iter(())), shape)
    return shape


def _slot(item: Any, shape: tuple[int, ...]) -> LayerSlot:
    (outputs,) = _sizes([item[1] if item[0] == "dense" else item[2]])
    kind, source = item[-2:]
    if kind not in ("float32", "int8", "int8/channel"):
        raise ValueError(f"weights {kind!r}")
    if source not in ("float", "dynamic", "floor", "static", "shift"):
        raise ValueError(f"input {source!r}")
    if source == "shift" and kind != "int8":
        raise ValueError(f"weights {kind!r} with input {source!r}")
    if len(shape) != (1 if item[0] == "dense" else 3):
        raise ValueError(f"{item[0]} after shape {shape}")
    window = () if item[0] == "dense" else _pair(item[1])
    return LayerSlot(
        (*window, shape[-1], outputs), kind != "float32", kind == "int8/channel", source
    )


def _shape_after_layer(item: Any, slot: LayerSlot, shape: tuple[int, ...]) -> tuple[int, ...]:
    if item[0] == "dense":
        return slot.shape[-1:]
    pool = MaxPool((slot.shape[0], slot.shape[1]), _pair(item[3]), item[4])
    return (*shape_after(pool, shape)[:2], slot.shape[-1])


def _operation(item: Any, contents: Iterator[Content]) -> Operation:
    if item == "relu":
        return Relu()
    if item == "tanh":
        return Tanh()
    if item == "flatten":
        return Flatten()
    if item == "rescale":
        return Rescale(*next(contents))
    name = item[0]
    if name == "dense":
        weights, scale, bias = next(contents)
        return Dense(weights, bias, scale)
    if name == "conv":
        weights, scale, bias = next(contents)
        return Convolution(weights, bias, _pair(item[3]), item[4], scale)
    if name == "pool":
        return MaxPool(_pair(item[1]), _pair(item[2]), item[3])
    if name == "norm":
        scale, bias = next(contents)
        return LayerNorm(scale, bias, _positive(item[1]))
    if name == "normalize":
        mean, variance = next(contents)
        return Normalize(mean, variance, _positive(item[1]), _positive(item[2]))
    if name == "residual":
        return Residual(tuple(_operation(step, contents) for step in item[1]))
    raise ValueError(f"operation {name!r}")
