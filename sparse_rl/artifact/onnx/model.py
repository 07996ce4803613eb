"""The graph as an ONNX model: `observation` [batch, *shape] in, `action` out.

A model cannot refuse: an observation with a number that is not finite gives actions that are all
NaN, and the choice -1, in every arithmetic.

Four kinds of layers, as in the graph:

- float inputs: float weights, or int8 weights that are cast, multiplied and scaled (onnxruntime
  turns DequantizeLinear before a product with float inputs into one with inputs rounded to int8);
- static scales: QuantizeLinear and DequantizeLinear around int8 (QDQ), the pattern that runtimes
  fuse;
- a chain of layers in fixed powers of two (`integer_chain`): a product, Round and Clip, on whole
  numbers that float32 holds exactly; the weights are int8 in the file;
- dynamic scales: the arithmetic of training spelled out (largest magnitude, rounding, whole-number
  products held in float32, exact below 2^24), because ONNX has no operator for it.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from sparse_rl import atomic_file
from sparse_rl.architecture.operations import ArgMax, Squash
from sparse_rl.artifact.card import Card
from sparse_rl.artifact.graph import Graph, shape_after
from sparse_rl.artifact.integer_chain import units
from sparse_rl.artifact.onnx.integers import add_chain
from sparse_rl.artifact.onnx.nodes import OnnxNodes
from sparse_rl.artifact.packed import Provenance

_OPSET = 17
_IR_VERSION = 8
_ELEMENT = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL}


def to_onnx(
    graph: Graph, about: Provenance | None = None, card: Card | None = None
) -> onnx.ModelProto:
    """A checked model; images are read as [batch, height, width, channels], as the graph does.

    Where the actor is from and what it is worth stands in the model's metadata.
    """
    nodes = OnnxNodes()
    seen = graph.observation
    name, shape = _outputs(nodes, graph)
    if isinstance(graph.output, ArgMax):
        if seen.dtype == "float32":
            largest = nodes.node("ArgMax", [name], axis=-1, keepdims=0)
            # A number that is not finite may be lost in a clip: it is asked of the observation too.
            told = nodes.node("ReduceSum", [name, nodes.constant(np.array([1]))], keepdims=0)
            wrong = nodes.node("IsNaN", [nodes.node("Add", [told, _tell_tale(nodes, seen.shape)])])
            none = nodes.constant(np.int64(-1))
            nodes.node("Where", [wrong, none, largest], output="action")
        else:
            nodes.node("ArgMax", [name], axis=-1, keepdims=0, output="action")
        output = helper.make_tensor_value_info("action", TensorProto.INT64, ["batch"])
    else:
        one = nodes.constant(np.float32(1))
        if isinstance(graph.output, Squash):
            bounded = nodes.node("Tanh", [name])
        else:
            bounded = nodes.node("Clip", [name, nodes.constant(np.float32(-1)), one])
        low = np.asarray(graph.output.low, np.float32)
        half = (np.asarray(graph.output.high, np.float32) - low) * np.float32(0.5)
        scaled = nodes.node("Mul", [nodes.node("Add", [bounded, one]), nodes.constant(half)])
        if seen.dtype == "float32":
            scaled = nodes.node("Add", [scaled, _tell_tale(nodes, seen.shape, keep=True)])
        nodes.node("Add", [scaled, nodes.constant(low)], output="action")
        output = helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", *shape])
    model = with_nodes(nodes, graph, output)
    helper.set_model_props(model, metadata(about, card))
    onnx.checker.check_model(model)
    return model


def to_unguarded_onnx(graph: Graph) -> onnx.ModelProto:
    """The same network as another library would export it, which answers NaN with anything.

    Other runtimes are compared with by this one: the nodes that keep our promises are not theirs.
    """
    nodes = OnnxNodes()
    name, shape = _outputs(nodes, graph)
    return with_nodes(nodes, graph, add_action(nodes, graph, name, shape))


def add_action(
    nodes: OnnxNodes, graph: Graph, name: str, shape: tuple[int, ...]
) -> onnx.ValueInfoProto:
    """`action` from the last layer's outputs: the largest one's number, or tanh or clip and the
    environment's bounds."""
    if isinstance(graph.output, ArgMax):
        nodes.node("ArgMax", [name], axis=-1, keepdims=0, output="action")
        return helper.make_tensor_value_info("action", TensorProto.INT64, ["batch"])
    one = np.float32(1)
    low, high = (np.asarray(bound, np.float32) for bound in (graph.output.low, graph.output.high))
    if isinstance(graph.output, Squash):
        name = nodes.node("Tanh", [name])
    else:
        name = nodes.node("Clip", [name, nodes.constant(-one), nodes.constant(one)])
    if np.any(high - low != 2):
        name = nodes.node("Mul", [name, nodes.constant((high - low) / 2)])
    if np.any(high + low != 0):
        name = nodes.node("Add", [name, nodes.constant((high + low) / 2)])
    nodes.nodes[-1].output[0] = "action"
    return helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", *shape])


def _outputs(nodes: OnnxNodes, graph: Graph) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the last layer's outputs, in the fewest nodes."""
    chain = units(graph)
    if chain is not None:
        return add_chain(nodes, graph, chain, add_observation(nodes, graph))
    return add_operations(nodes, graph)


def add_observation(nodes: OnnxNodes, graph: Graph) -> str:
    """What the first operation reads, from `observation`."""
    seen, name = graph.observation, "observation"
    if seen.dtype != "float32":
        name = nodes.node("Cast", [name], to=TensorProto.FLOAT)
    if seen.divisor != 1:
        name = nodes.node("Div", [name, nodes.constant(np.float32(seen.divisor))])
    if len(seen.shape) == 3:
        name = nodes.node("Transpose", [name], perm=[0, 3, 1, 2])
    return name


def add_operations(nodes: OnnxNodes, graph: Graph) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the last layer's outputs, operation by operation."""
    name, shape = add_observation(nodes, graph), graph.observation.shape
    for operation in graph.operations:
        name = nodes.operation(operation, name, shape)
        shape = shape_after(operation, shape)
    return name, shape


def with_nodes(
    nodes: OnnxNodes, graph: Graph, output: onnx.ValueInfoProto, *more: onnx.OperatorSetIdProto
) -> onnx.ModelProto:
    """The model of these nodes; `more` are operator sets beside ONNX's own."""
    seen = graph.observation
    inputs = helper.make_tensor_value_info(
        "observation", _ELEMENT[seen.dtype], ["batch", *seen.shape]
    )
    proto = helper.make_graph(nodes.nodes, "actor", [inputs], [output], nodes.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", _OPSET), *more])
    model.ir_version = _IR_VERSION
    model.producer_name = "sparse_rl"
    return model


def _tell_tale(nodes: OnnxNodes, shape: tuple[int, ...], keep: bool = False) -> str:
    """0 for a finite observation, NaN for another; [batch], or [batch, 1] where axes are kept."""
    flat = "observation" if len(shape) == 1 else nodes.node("Flatten", ["observation"], axis=1)
    zeros = np.zeros((math.prod(shape), *((1,) if keep else ())), np.float32)
    return nodes.node("MatMul", [flat, nodes.constant(zeros)])


def metadata(about: Provenance | None, card: Card | None) -> dict[str, str]:
    """Where an actor is from and what it is worth, as a model's metadata."""
    if about is None:
        return {}
    known = {key: str(value) for key, value in asdict(about).items() if value not in ("", None)}
    return known if card is None else known | {"card": "\n".join(card.lines())}


def save(
    path: Path, graph: Graph, about: Provenance | None = None, card: Card | None = None
) -> int:
    """Write the model, whole or not at all; returns its size in bytes."""
    data = to_onnx(graph, about, card).SerializeToString()
    atomic_file.write_bytes(path, data)
    return len(data)
