"""Numbers and attributes out of an ONNX model, none of them from another file."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, numpy_helper

from sparse_rl.importers.onnx.chain import Spend

MOST_ELEMENTS = 1 << 27
_NUMBERS = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.UINT8,
    TensorProto.BOOL,
)


class Budget:
    """How many elements of arrays were made; calling it adds to them."""

    def __init__(self) -> None:
        self.spent = 0

    def __call__(self, count: int) -> None:
        self.spent += count
        if self.spent > MOST_ELEMENTS:
            raise ValueError(f"more than {MOST_ELEMENTS} elements in all")


def array_of(tensor: onnx.TensorProto, spend: Spend) -> NDArray:
    """A tensor's own numbers; raises ValueError where they are in another file, or no numbers."""
    what = f"tensor {tensor.name[:80]}"
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError(f"{what}: its numbers are in another file; allowed: in the model")
    if tensor.data_type not in _NUMBERS or len(tensor.dims) > 8:
        raise ValueError(f"{what}: type {tensor.data_type}; allowed: numbers")
    if any(not 0 <= size < 1 << 31 for size in tensor.dims):
        raise ValueError(f"{what}: the sizes {list(tensor.dims)}")
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{what}: damaged: {str(error).splitlines()[0][:100]}") from None
    spend(array.size)
    return array


def attributes_of(node: onnx.NodeProto, spend: Spend) -> dict[str, Any]:
    """Numbers, bytes, lists of numbers and arrays by name; raises ValueError for others."""
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            found[attribute.name] = array_of(attribute.t, spend)
        elif attribute.type == AttributeProto.INT:
            found[attribute.name] = attribute.i
        elif attribute.type == AttributeProto.FLOAT:
            found[attribute.name] = attribute.f
        elif attribute.type == AttributeProto.STRING:
            found[attribute.name] = attribute.s
        elif attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS):
            found[attribute.name] = [*attribute.ints, *attribute.floats]
        else:
            raise ValueError(f"the attribute {attribute.name[:40]} is of no known type")
    return found


def only_array(attributes: dict[str, Any]) -> NDArray:
    """The value of a Constant node; raises ValueError where it is no number."""
    if len(attributes) != 1 or isinstance(next(iter(attributes.values())), bytes):
        raise ValueError("a constant of another type than numbers")
    return np.asarray(next(iter(attributes.values())))


def needed_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes on which the first output depends, in the order of the model."""
    makers = {name: k for k, node in enumerate(graph.node) for name in node.output if name}
    waiting, found = [graph.output[0].name], set()
    while waiting:
        position = makers.get(waiting.pop())
        if position is not None and position not in found:
            found.add(position)
            waiting += graph.node[position].input
    nodes = [graph.node[position] for position in sorted(found)]
    if any(not node.output for node in nodes):
        raise ValueError("a node without an output")
    return nodes
