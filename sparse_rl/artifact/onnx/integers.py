"""An integer chain as ONNX nodes: between layers are the small integers that the next one reads.

A product, Round and Clip for each layer. Shifts are folded into the weights, which runtimes do once
when they load a model; a ReLU is a bound of the clip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from sparse_rl.architecture.operations import Relu
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    Layer,
    Normalize,
    Rescale,
    layers,
    shape_after,
)
from sparse_rl.artifact.integer_chain import LayerUnits
from sparse_rl.artifact.onnx.nodes import OnnxNodes
from sparse_rl.artifact.weights import LARGEST_INTEGER, StaticScale


def add_chain(
    nodes: OnnxNodes, graph: Graph, found: tuple[LayerUnits, ...], name: str
) -> tuple[str, tuple[int, ...]]:
    """Name and shape after all operations on `name`, which is the observation in float32."""
    shape, remaining = graph.observation.shape, iter(found)
    first = next(layers(graph.operations)).input_scale
    assert isinstance(first, StaticScale)
    limit = nodes.constant(np.float32(LARGEST_INTEGER))
    bottom, zero = nodes.constant(np.float32(-LARGEST_INTEGER)), nodes.constant(np.float32(0))
    factor: NDArray | np.floating = np.float32(1.0 / first.scale)
    edge = graph.operations[0]
    if isinstance(edge, Normalize):
        name = nodes.operation(edge, name, shape)
    elif isinstance(edge, Rescale):
        factor = factor * edge.factors
    name = nodes.node("Mul", [name, nodes.constant(factor)])
    name = nodes.node("Round", [nodes.node("Clip", [name, bottom, limit])])
    for position, operation in enumerate(graph.operations):
        if isinstance(operation, Dense | Convolution):
            unit, shift = next(remaining)
            # Behind the last layer outputs in their own unit, before it the next one's steps.
            scale = unit if shift is None else 2.0**-shift
            name = _whole_product(nodes, operation, name, shape, scale / unit, scale)
            if shift is not None:
                relu = isinstance(graph.operations[position + 1], Relu)
                rounded = nodes.node("Round", [name])
                name = nodes.node("Clip", [rounded, zero if relu else bottom, limit])
        elif not isinstance(operation, Normalize | Rescale | Relu):
            name = nodes.operation(operation, name, shape)
        elif isinstance(operation, Relu) and not isinstance(graph.operations[position - 1], Layer):
            name = nodes.node("Relu", [name])
        shape = shape_after(operation, shape)
    return name, shape


def _whole_product(
    nodes: OnnxNodes,
    layer: Layer,
    name: str,
    shape: tuple[int, ...],
    bias: float,
    scale: float,
) -> str:
    """Integers times integer weights times `scale`, plus the layer's bias times `bias`."""
    values = layer.weights.values
    if isinstance(layer, Convolution):
        values = np.ascontiguousarray(values.transpose(3, 2, 0, 1))
    whole = nodes.node("Cast", [nodes.constant(values)], to=TensorProto.FLOAT)
    weights = nodes.node("Mul", [whole, nodes.constant(np.float32(scale))])
    offset = (layer.bias.astype(np.float64) * bias).astype(np.float32)
    return nodes.product(layer, name, weights, offset, shape)
