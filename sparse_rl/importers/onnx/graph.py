"""An ONNX model of a policy as a graph: dense and convolutional layers one after the other.

Read are Gemm, MatMul, Add, Conv, MaxPool, Relu, Tanh, Flatten, Reshape and Transpose of an image;
Sub, Div and Clip as a normalization; Tanh or Clip with a factor and a sum at the end as the output;
ArgMax; sums of a tensor and what follows from it; and nodes that change nothing. So are the models
that torch.onnx exports of such policies, also as Stable-Baselines3's documentation wraps them, and
our own in float32 without layer norms. A model's first output is taken, and a node that is not read
matters only where that depends on it. An image that the model reads with its channels first is read
here with its channels last, as [height, width, channels].

Tensors in other files are refused, and no other file is opened.
"""

from __future__ import annotations

from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from sparse_rl.architecture.operations import Observation, Output
from sparse_rl.artifact.graph import Graph
from sparse_rl.importers.imported import Imported
from sparse_rl.importers.onnx.chain import Chain
from sparse_rl.importers.onnx.fields import check_fields
from sparse_rl.importers.onnx.guard import without_guard
from sparse_rl.importers.onnx.nodes import Unread, Value, applied, reads_in_spite_of
from sparse_rl.importers.onnx.output import finished, largest, observed
from sparse_rl.importers.onnx.tensors import (
    Budget,
    array_of,
    attributes_of,
    needed_nodes,
    only_array,
)

MOST_BYTES = 1 << 26
_MOST_NODES = 1 << 12
_READS = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float32",
    TensorProto.UINT8: "uint8",
    TensorProto.BOOL: "bool",
}


def read(data: bytes, output: Output | None) -> Imported:
    """The policy of a model's bytes; `output` where it ends with means or values of actions.

    Raises ValueError, one line that names the node, for what is not read.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"an ONNX model of {len(data)} bytes; allowed: {MOST_BYTES}")
    check_fields(data)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise ValueError("no ONNX model, and nothing else that is readable") from None
    if not model.graph.node or not model.graph.output:
        raise ValueError("no ONNX model with nodes and an output, and nothing else readable")
    if model.producer_name == "sparse_rl":
        without_guard(model.graph)
    try:
        graph = _Reading(model.graph).policy(output)
    except (TypeError, IndexError, OverflowError, UnicodeError) as error:
        raise ValueError(f"a damaged ONNX model: {error}") from None
    # A name that is no UTF-8 comes as bytes.
    producer = f"{model.producer_name} {model.producer_version}".strip()[:80]
    return Imported(graph, f"ONNX{', ' if producer else ''}{producer}")


class _Reading:
    """One model, its constants, and the value of each tensor that was reached."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        if len(graph.node) > _MOST_NODES or len(graph.initializer) > _MOST_NODES:
            raise ValueError(f"{len(graph.node)} nodes; allowed: {_MOST_NODES}")
        if graph.sparse_initializer:
            raise ValueError("sparse initializers; allowed: dense ones")
        self.graph = graph
        self.spend = Budget()
        self.values: dict[str, Value] = {}
        self.nodes = needed_nodes(graph)
        needed = {name for node in self.nodes for name in node.input}
        for tensor in graph.initializer:
            if tensor.name in needed:
                self.values[tensor.name] = array_of(tensor, self.spend)
        inputs = [
            item for item in graph.input if item.name in needed and item.name not in self.values
        ]
        if len(inputs) != 1:
            raise ValueError(f"{len(inputs)} inputs of the policy; allowed: one")
        self.dtype: Any = _READS.get(inputs[0].type.tensor_type.elem_type)
        self.observed = self.observation(inputs[0])
        self.values[inputs[0].name] = self.observed

    def policy(self, output: Output | None) -> Graph:
        name = self.graph.output[0].name
        found: Output | None = None
        for node in self.nodes:
            where = f"node {(node.name or node.output[0])[:80]}, {node.op_type[:40]}"
            try:
                inputs = [self.values[key] if key else None for key in node.input]
                unread = [value for value in inputs if isinstance(value, Unread)]
                attributes = attributes_of(node, self.spend)
                if node.domain not in ("", "ai.onnx"):
                    raise ValueError(f"an operator of {node.domain[:40]!r}")
                if unread and not reads_in_spite_of(node.op_type, inputs, attributes):
                    value: Value = unread[0]
                elif node.op_type == "Constant":
                    value = only_array(attributes)
                elif node.op_type == "ArgMax" or found is not None:
                    found = largest(node.op_type, found, inputs, attributes)
                    value = observed(inputs)
                else:
                    value = applied(node.op_type, inputs, attributes, self.spend)
            except KeyError as error:
                raise ValueError(f"{where}: nothing gives the input {error}"[:300]) from None
            except (ValueError, TypeError, OverflowError) as error:
                # Only what the action depends on need be read: PyTorch exports deviations, too.
                value = Unread(f"{where}: {str(error).splitlines()[0]}")
            self.values[node.output[0]] = value
        chain = self.values.get(name)
        if isinstance(chain, Unread):
            raise ValueError(chain.why)
        if not isinstance(chain, Chain):
            raise ValueError(f"the output {name[:80]} does not depend on the observation")
        if len(chain.shape) != 1:
            raise ValueError(
                f"the output {name[:80]} has the shape {chain.shape}: expected one axis"
            )
        declared = [size.dim_value for size in self.graph.output[0].type.tensor_type.shape.dim]
        if chain.expanded and declared[1:] != list(chain.shape):
            raise ValueError(f"the output {name[:80]} is expanded to an unknown shape")
        seen = Observation(self.observed.shape, self.dtype)
        return finished(chain, seen, found, output, self.spend)

    def observation(self, item: onnx.ValueInfoProto) -> Chain:
        """The tensor that the model reads."""
        what = f"input {item.name[:80]}"
        if self.dtype is None:
            raise ValueError(
                f"{what}: type {item.type.tensor_type.elem_type}; allowed: float, uint8"
            )
        sizes = [int(size.dim_value) for size in item.type.tensor_type.shape.dim]
        batched = not (len(sizes) == 1 or (len(sizes) == 3 and self.starts_with("Unsqueeze", item)))
        shape = tuple(sizes[1:] if batched else sizes)
        if not 1 <= len(shape) <= 3 or not all(1 <= size < 1 << 24 for size in shape):
            raise ValueError(f"{what}: the sizes {sizes}; allowed: known ones behind the batch")
        kinds = [node.op_type for node in self.nodes]
        first = len(kinds) if "Conv" not in kinds else kinds.index("Conv")
        if len(shape) == 3 and "Conv" in kinds and "Transpose" not in kinds[:first]:
            channels, height, width = shape
            return Chain((), (height, width, channels), "NCHW", batched)
        return Chain((), shape, "plain", batched)

    def starts_with(self, kind: str, item: onnx.ValueInfoProto) -> bool:
        return any(item.name in node.input and node.op_type == kind for node in self.nodes)
