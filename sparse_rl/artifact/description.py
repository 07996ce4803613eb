"""A graph's structure as a small JSON value, without its arrays.

[observation, operations, output]
observation  [shape, dtype, divisor, frame_stack]
operations   ["dense", outputs, weights, input], ["conv", [height, width], outputs, strides,
             padding, weights, input], "relu", ["pool", window, strides, padding], "flatten",
             ["residual", [...]]
weights      "float32", "int8" (one scale) or "int8/channel"
input        "float", "dynamic", "floor" (dynamic with a least maximum) or "static"
output       "argmax" or ["squash", low, high]; a bound is a list, or one number for all
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.graph import (
    ArgMax,
    Convolution,
    Dense,
    Flatten,
    Graph,
    InputScale,
    Layer,
    MaxPool,
    Observation,
    Operation,
    Relu,
    Residual,
    Squash,
    StaticScale,
    Weights,
    shape_after,
)

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


def describe(graph: Graph) -> list[Any]:
    """The structure of a graph."""
    seen = graph.observation
    observation = [list(seen.shape), seen.dtype, seen.divisor, seen.frame_stack]
    output: Any = "argmax"
    if isinstance(graph.output, Squash):
        output = ["squash", _bound(graph.output.low), _bound(graph.output.high)]
    return [observation, [_describe(operation) for operation in graph.operations], output]


def layer_slots(description: Any) -> list[LayerSlot]:
    """Shapes and kinds of all layers in order of execution; ValueError where it is no
    description.
    """
    observation = _observation(description[0])
    slots: list[LayerSlot] = []
    _walk(description[1], observation.shape, slots)
    return slots


def graph_of(
    description: Any, contents: Sequence[tuple[Weights, InputScale, NDArray[np.float32]]]
) -> Graph:
    """The graph of a description and its layers' (weights, input scale, bias)."""
    remaining = iter(contents)
    operations = tuple(_operation(item, remaining) for item in description[1])
    output: Squash | ArgMax = ArgMax()
    if description[2] != "argmax":
        name, low, high = description[2]
        if name != "squash":
            raise ValueError(f"output {name!r}")
        size = len(contents[-1][2])
        output = Squash(_bounds(low, size), _bounds(high, size))
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


def _sizes(item: Any) -> tuple[int, ...]:
    if not isinstance(item, list) or not all(type(v) is int and 0 < v < 1 << 24 for v in item):
        raise ValueError(f"sizes {item!r}")
    return tuple(item)


def _pair(item: Any) -> tuple[int, int]:
    first, second = _sizes(item)
    return first, second


def _walk(items: Any, shape: tuple[int, ...], slots: list[LayerSlot]) -> tuple[int, ...]:
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


def _operation(
    item: Any, contents: Iterator[tuple[Weights, InputScale, NDArray[np.float32]]]
) -> Operation:
    if item == "relu":
        return Relu()
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
    if name == "residual":
        return Residual(tuple(_operation(step, contents) for step in item[1]))
    raise ValueError(f"operation {name!r}")
