"""A graph's structure as a small JSON value, without its arrays.

[observation, operations, output]
observation  [shape, dtype, divisor, frame_stack]
operations   ["dense", outputs, weights, input], ["conv", [height, width], outputs, strides,
             padding, weights, input], "relu", ["pool", window, strides, padding], "flatten",
             ["residual", [...]]; since version 2 also "tanh", ["norm", epsilon],
             ["normalize", epsilon, limit]; since version 3 "rescale"
weights      "float32", "int8" (one scale) or "int8/channel"
input        "float", "dynamic", "floor" (dynamic with a least maximum), "static" or, since
             version 3, "shift" (powers of two, whole biases)
output       "argmax", ["squash", low, high] or, since version 2, ["clip", low, high]; a bound is
             a list, or one number for all
"""

from __future__ import annotations

from typing import Any

from sparse_rl.architecture.operations import (
    Clip,
    Flatten,
    MaxPool,
    Relu,
    Squash,
    Tanh,
)
from sparse_rl.artifact.fixed_scales import unit_of
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
)
from sparse_rl.artifact.weights import StaticScale

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


def version(graph: Graph) -> int:
    """The first version of the format that can say this graph."""

    def first(operation: Operation) -> int:
        if isinstance(operation, Residual):
            return max(map(first, operation.body), default=1)
        if isinstance(operation, Rescale):
            return 3
        if isinstance(operation, Layer):
            return 1 if unit_of(operation) is None else 3
        return 2 if isinstance(operation, Tanh | LayerNorm | Normalize) else 1

    return max(2 if isinstance(graph.output, Clip) else 1, *map(first, graph.operations))


def describe(graph: Graph) -> list[Any]:
    """The structure of a graph."""
    seen = graph.observation
    observation = [list(seen.shape), seen.dtype, seen.divisor, seen.frame_stack]
    output: Any = "argmax"
    if isinstance(graph.output, Squash | Clip):
        name = "squash" if isinstance(graph.output, Squash) else "clip"
        output = [name, _bound(graph.output.low), _bound(graph.output.high)]
    return [observation, [_describe(operation) for operation in graph.operations], output]


def _describe(operation: Operation) -> Any:
    match operation:
        case Dense():
            outputs = operation.weights.values.shape[1]
            return ["dense", outputs, _weights_kind(operation), _input_kind(operation)]
        case Convolution():
            height, width, _, outputs = operation.weights.values.shape
            return [
                "conv",
                [height, width],
                outputs,
                list(operation.strides),
                operation.padding,
                _weights_kind(operation),
                _input_kind(operation),
            ]
        case Relu():
            return "relu"
        case Tanh():
            return "tanh"
        case LayerNorm(_, _, epsilon):
            return ["norm", epsilon]
        case Normalize(_, _, epsilon, limit):
            return ["normalize", epsilon, limit]
        case Rescale():
            return "rescale"
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


def _input_kind(layer: Layer) -> str:
    scale = layer.input_scale
    if scale is None:
        return "float"
    if isinstance(scale, StaticScale):
        return "static" if unit_of(layer) is None else "shift"
    return "floor" if scale.floor else "dynamic"


def _bound(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(set(values)) == 1 else list(values)
