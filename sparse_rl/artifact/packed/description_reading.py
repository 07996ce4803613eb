"""From the description in a packed file to the shapes of its arrays, and with these to a graph.

`description` says what it looks like. Nothing here trusts it: whatever is not one is a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from sparse_rl.artifact.packed.limits import (
    DEEPEST,
    LARGEST_NUMBER,
    MOST_OPERATIONS,
    MOST_PRODUCTS,
    check_tensor,
)


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
    if not isinstance(description, list) or len(description) != 3:
        raise ValueError("no observation, operations and output")
    observation = _observation(description[0])
    walk = _Walk()
    walk.through(description[1], observation.shape, 0)
    if not any(isinstance(slot, LayerSlot) for slot in walk.slots):
        raise ValueError("an actor without a layer")
    return walk.slots


def graph_of(description: Any, contents: Sequence[Content]) -> Graph:
    """The graph of a description and the arrays of its slots."""
    remaining = iter(contents)
    operations = tuple(_operation(item, remaining) for item in description[1])
    output: Output = ArgMax()
    if description[2] != "argmax":
        name, low, high = description[2]
        if name not in ("squash", "clip"):
            raise ValueError(f"output {_short(name)}")
        size = len(contents[-1][-1])
        bounds = _bounds(low, size), _bounds(high, size)
        output = Squash(*bounds) if name == "squash" else Clip(*bounds)
    return Graph(_observation(description[0]), operations, output)


def _bounds(value: Any, size: int) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    for v in values:  # one that stands for millions is looked at once
        if type(v) not in (int, float) or not abs(v) <= LARGEST_NUMBER:
            raise ValueError(
                f"action bound {_short(v)}; allowed: numbers within {LARGEST_NUMBER:g}"
            )
    found = tuple(map(float, values))
    return found if isinstance(value, list) else found * size


def _observation(item: Any) -> Observation:
    shape, dtype, divisor, stack = item
    if type(stack) is not int or not 0 < stack < 1 << 24:
        raise ValueError(f"frame stack {_short(stack)}")
    if not isinstance(dtype, str):
        raise ValueError(f"observation dtype {_short(dtype)}")
    found = Observation(_sizes(shape), dtype, _positive(divisor), stack)  # type: ignore[arg-type]
    check_tensor(found.shape)
    return found


def _short(item: Any) -> str:
    """Of what may be anything, so much that an error stays one line."""
    return ascii(item)[:40]


def _positive(item: Any) -> float:
    if type(item) not in (int, float) or not 1 / LARGEST_NUMBER < item < LARGEST_NUMBER:
        raise ValueError(
            f"number {_short(item)}; allowed: {1 / LARGEST_NUMBER:g} to {LARGEST_NUMBER:g}"
        )
    return float(item)


def _sizes(item: Any) -> tuple[int, ...]:
    if not isinstance(item, list) or not all(type(v) is int and 0 < v < 1 << 24 for v in item):
        raise ValueError(f"sizes {_short(item)}")
    return tuple(item)


def _pair(item: Any) -> tuple[int, int]:
    first, second = _sizes(item)
    return first, second


@dataclass
class _Walk:
    """Follows shapes through a description, collects slots, and counts what an action takes."""

    slots: list[Slot] = field(default_factory=list)
    operations: int = 0
    products: int = 0

    def through(self, items: Any, shape: tuple[int, ...], depth: int) -> tuple[int, ...]:
        if not isinstance(items, list) or depth > DEEPEST:
            raise ValueError("operations")
        for item in items:
            self.operations += 1
            if self.operations > MOST_OPERATIONS:
                raise ValueError(f"operations: more than {MOST_OPERATIONS}")
            shape = self.after(item, shape, depth)
            check_tensor(shape)
            if self.products > MOST_PRODUCTS:
                raise ValueError(f"products of an action: more than {MOST_PRODUCTS}")
        return shape

    def after(self, item: Any, shape: tuple[int, ...], depth: int) -> tuple[int, ...]:
        name = item if isinstance(item, str) else item[0]
        if name == "residual":
            if not item[1] or self.through(item[1], shape, depth + 1) != shape:
                raise ValueError("a residual body is empty, or changes its shape")
        elif name in ("dense", "conv"):
            slot = _slot(item, shape)
            self.slots.append(slot)
            shape = _shape_after_layer(item, slot, shape)
            self.products += math.prod(slot.shape) * math.prod(shape[:-1])
        elif name == "rescale":
            if len(shape) != 1:
                raise ValueError(f"rescale after shape {shape}")
            self.slots.append(RescaleSlot(shape))
        elif name in ("norm", "normalize"):
            self.slots.append(PairSlot(shape[-1:] if name == "norm" else shape))
        else:
            operation = _operation(item, iter(()))
            shape = shape_after(operation, shape)
            if isinstance(operation, MaxPool):
                self.products += math.prod(operation.window) * math.prod(shape)
        return shape


def _slot(item: Any, shape: tuple[int, ...]) -> LayerSlot:
    (outputs,) = _sizes([item[1] if item[0] == "dense" else item[2]])
    kind, source = item[-2:]
    if kind not in ("float32", "int8", "int8/channel"):
        raise ValueError(f"weights {_short(kind)}")
    if source not in ("float", "dynamic", "floor", "static", "shift"):
        raise ValueError(f"input {_short(source)}")
    if source == "shift" and kind != "int8":
        raise ValueError(f"weights {kind} with input {source}")
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
    raise ValueError(f"operation {_short(name)}")
