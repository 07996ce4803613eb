"""A graph's structure as a small JSON value, without its arrays.

[observation, operations, output]
observation  [shape, dtype, divisor, frame_stack]
operations   ["dense", outputs, weights, input], ["conv", [height, width], outputs, strides,
             padding, weights, input], "relu", ["pool", window, strides, padding], "flatten",
             ["residual", [...]]; since version 2 also "tanh", ["norm", epsilon],
             ["normalize", epsilon, limit]
weights      "float32", "int8" (one scale) or "int8/channel"
input        "float", "dynamic", "floor" (dynamic with a least maximum) or "static"
output       "argmax", ["squash", low, high] or, since version 2, ["clip", low, high]; a bound is
             a list, or one number for all
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
    Layer,
    LayerNorm,
    Normalize,
    Operation,
    Residual,
    shape_after,
)
from sparse_rl.artifact.weights import InputScale, StaticScale

DICTIONARY = (
    b'"config_digest":"measured_return":"environment":"gymnasium/mujoco/brax/gymnax/atari/"arm":"0.9'
    b'"0.95-int8w","seed":"unit":-[["pool",[3,3],[2,2],"VALID"],["residual",["conv",[3,3],64,[1,1],'
    b'"SAME","float32","int8/channel","static"],["conv",[8,8],32,[4,4],"VALID","int8/channel",'
    b'"dynamic"],"relu","flatten",["dense",512,[[84,84,4],"uint8",255.0,4],[10,10,4],"bool","argmax"]'
    b'-int8","seed":0,"config_digest":"},{"environment":"brax/","arm":"0.99-int8w",'
    b'[[[17],"float32",1.0,1],[["dense",256,"int8","static"],"relu",["dense",256,"int8","floor"],"relu",'
    b'["dense",6,"int8","float"]],["squash",-1.0,1.0]],{"environment":"brax/halfcheetah","arm":"0.98'
)
"""Text that descriptions resemble, for zstandard; a part of the format, never to be changed."""

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


Slot = LayerSlot | PairSlot
Content = tuple[Any, ...]
"""(weights, input scale, bias) of a layer, or a pair of arrays."""


def version(graph: Graph) -> int:
    """The first version of the format that can say this graph."""

    def new(operations: tuple[Operation, ...]) -> bool:
        return any(
            new(step.body)
            if isinstance(step, Residual)
            else isinstance(step, Tanh | LayerNorm | Normalize)
            for step in operations
        )

    return 2 if new(graph.operations) or isinstance(graph.output, Clip) else 1


def describe(graph: Graph) -> list[Any]:
    """The structure of a graph."""
    seen = graph.observation
    observation = [list(seen.shape), seen.dtype, seen.divisor, seen.frame_stack]
    output: Any = "argmax"
    if isinstance(graph.output, Squash | Clip):
        name = "squash" if isinstance(graph.output, Squash) else "clip"
        output = [name, _bound(graph.output.low), _bound(graph.output.high)]
    return [observation, [_describe(operation) for operation in graph.operations], output]


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


def _describe(operation: Operation) -> Any:
    match operation:
        case Dense():
            outputs = operation.weights.values.shape[1]
            return ["dense", outputs, _weights_kind(operation), _input_kind(operation.input_scale)]
        case Convolution():
            height, width, _, outputs = operation.weights.values.shape
            return [
                "conv",
                [height, width],
                outputs,
                list(operation.strides),
                operation.padding,
                _weights_kind(operation),
                _input_kind(operation.input_scale),
            ]
        case Relu():
            return "relu"
        case Tanh():
            return "tanh"
        case LayerNorm(_, _, epsilon):
            return ["norm", epsilon]
        case Normalize(_, _, epsilon, limit):
            return ["normalize", epsilon, limit]
        case MaxPool(window, strides, padding):
            return ["pool", list(window), list(strides), padding]
        case Flatten():
            return "flatten"
        case Residual(body):
            return ["residual", [_describe(step) for step in body]]


def _weights_kind(layer: Layer) -> str:
    if layer.weights.scale is None:
        return "float32"
    return "int8" if len(layer.weights.scale) == 1 else "int8/channel"


def _input_kind(scale: InputScale) -> str:
    if scale is None:
        return "float"
    if isinstance(scale, StaticScale):
        return "static"
    return "floor" if scale.floor else "dynamic"


def _bound(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(set(values)) == 1 else list(values)


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
    if source not in ("float", "dynamic", "floor", "static"):
        raise ValueError(f"input {source!r}")
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
