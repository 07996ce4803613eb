"""The graph as an ONNX model: `observation` [batch, *shape] in, `action` out.

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

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sparse_rl import atomic_file
from sparse_rl.architecture.operations import ArgMax, Flatten, MaxPool, Relu, Squash, Tanh
from sparse_rl.architecture.shapes import padding_before_and_after
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
    layers,
    shape_after,
)
from sparse_rl.artifact.integer_chain import LayerUnits, units
from sparse_rl.artifact.packed import Provenance
from sparse_rl.artifact.weights import LARGEST_INTEGER, DynamicScale, StaticScale

_OPSET = 17
_IR_VERSION = 8
_ELEMENT = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL}


def to_onnx(graph: Graph, about: Provenance | None = None) -> onnx.ModelProto:
    """A checked model; images are read as [batch, height, width, channels], as the graph does.

    Where the actor is from stands in the model's metadata.
    """
    writer = _Writer()
    seen = graph.observation
    inputs = helper.make_tensor_value_info(
        "observation", _ELEMENT[seen.dtype], ["batch", *seen.shape]
    )
    name = "observation"
    if seen.dtype != "float32":
        name = writer.node("Cast", [name], to=TensorProto.FLOAT)
    if seen.divisor != 1:
        name = writer.node("Div", [name, writer.constant(np.float32(seen.divisor))])
    if len(seen.shape) == 3:
        name = writer.node("Transpose", [name], perm=[0, 3, 1, 2])
    shape = seen.shape
    chain = units(graph)
    if chain is None:
        for operation in graph.operations:
            name = writer.operation(operation, name, shape)
            shape = shape_after(operation, shape)
    else:
        name, shape = writer.chain(graph, chain, name)
    if isinstance(graph.output, ArgMax):
        writer.node("ArgMax", [name], axis=-1, keepdims=0, output="action")
        output = helper.make_tensor_value_info("action", TensorProto.INT64, ["batch"])
    else:
        one = writer.constant(np.float32(1))
        if isinstance(graph.output, Squash):
            bounded = writer.node("Tanh", [name])
        else:
            bounded = writer.node("Clip", [name, writer.constant(np.float32(-1)), one])
        low = np.asarray(graph.output.low, np.float32)
        half = (np.asarray(graph.output.high, np.float32) - low) * np.float32(0.5)
        scaled = writer.node("Mul", [writer.node("Add", [bounded, one]), writer.constant(half)])
        writer.node("Add", [scaled, writer.constant(low)], output="action")
        output = helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", *shape])
    proto = helper.make_graph(writer.nodes, "actor", [inputs], [output], writer.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    model.producer_name = "sparse_rl"
    if about is not None:
        known = {key: str(value) for key, value in asdict(about).items() if value not in ("", None)}
        helper.set_model_props(model, known)
    onnx.checker.check_model(model)
    return model


def save(path: Path, graph: Graph, about: Provenance | None = None) -> int:
    """Write the model, whole or not at all; returns its size in bytes."""
    data = to_onnx(graph, about).SerializeToString()
    atomic_file.write_bytes(path, data)
    return len(data)


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(
        self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: NDArray | np.generic) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def operation(self, operation: Operation, name: str, shape: tuple[int, ...]) -> str:
        match operation:
            case Dense() | Convolution():
                return self.layer(operation, name, shape)
            case Relu():
                return self.node("Relu", [name])
            case Tanh():
                return self.node("Tanh", [name])
            case LayerNorm():
                return self.layer_norm(operation, name, shape)
            case Normalize(mean, _, _, limit):
                deviation, bound = operation.deviation, np.float32(limit)
                if len(shape) == 3:
                    mean, deviation = mean.transpose(2, 0, 1), deviation.transpose(2, 0, 1)
                centered = self.node("Sub", [name, self.constant(mean)])
                scaled = self.node("Div", [centered, self.constant(deviation)])
                return self.node("Clip", [scaled, self.constant(-bound), self.constant(bound)])
            case Rescale():
                return self.node("Mul", [name, self.constant(operation.factors)])
            case MaxPool(window, strides, _):
                pads = _pads(shape, window, strides, operation.padding)
                return self.node(
                    "MaxPool", [name], kernel_shape=list(window), strides=list(strides), pads=pads
                )
            case Flatten():
                if len(shape) == 3:
                    name = self.node("Transpose", [name], perm=[0, 2, 3, 1])
                return self.node("Flatten", [name], axis=1)
            case Residual(body):
                inner, inside = name, shape
                for step in body:
                    inner = self.operation(step, inner, inside)
                    inside = shape_after(step, inside)
                return self.node("Add", [name, inner])
        raise TypeError(f"unknown operation {operation!r}")

    def layer_norm(self, norm: LayerNorm, name: str, shape: tuple[int, ...]) -> str:
        """Spelled out: ONNX normalizes the last axes, and images here have channels first."""
        scale, bias = norm.scale, norm.bias
        axis = 1
        if len(shape) == 3:
            scale, bias = scale[:, None, None], bias[:, None, None]
        elif len(shape) > 1:
            axis = len(shape)
        mean = self.node("ReduceMean", [name], axes=[axis], keepdims=1)
        centered = self.node("Sub", [name, mean])
        squared = self.node("Mul", [centered, centered])
        variance = self.node("ReduceMean", [squared], axes=[axis], keepdims=1)
        raised = self.node("Add", [variance, self.constant(np.float32(norm.epsilon))])
        divided = self.node("Div", [centered, self.node("Sqrt", [raised])])
        scaled = self.node("Mul", [divided, self.constant(scale)])
        return self.node("Add", [scaled, self.constant(bias)])

    def layer(self, layer: Layer, name: str, shape: tuple[int, ...]) -> str:
        values = layer.weights.values
        if isinstance(layer, Convolution):
            values = np.ascontiguousarray(values.transpose(3, 2, 0, 1))
        if isinstance(layer.input_scale, DynamicScale):
            return self.dynamic_layer(layer, values, name, shape)
        if layer.input_scale is None and layer.weights.scale is not None:
            return self.scaled_product(layer, values, name, None, shape)
        if isinstance(layer.input_scale, StaticScale):
            scale = self.constant(np.float32(layer.input_scale.scale))
            zero = self.constant(np.int8(0))
            # -128 is no value of training's quantizer; QuantizeLinear would saturate there.
            edge = np.float32(layer.input_scale.scale) * np.float32(LARGEST_INTEGER)
            name = self.node("Clip", [name, self.constant(-edge), self.constant(edge)])
            name = self.node("QuantizeLinear", [name, scale, zero])
            name = self.node("DequantizeLinear", [name, scale, zero])
        return self.product(layer, name, self.weights(layer, values), layer.bias, shape)

    def chain(
        self, graph: Graph, found: tuple[LayerUnits, ...], name: str
    ) -> tuple[str, tuple[int, ...]]:
        """Its name and shape after all operations; between layers are the next one's integers."""
        shape, remaining = graph.observation.shape, iter(found)
        first = next(layers(graph.operations)).input_scale
        assert isinstance(first, StaticScale)
        limit = self.constant(np.float32(LARGEST_INTEGER))
        bottom, zero = self.constant(np.float32(-LARGEST_INTEGER)), self.constant(np.float32(0))
        factor: NDArray | np.floating = np.float32(1.0 / first.scale)
        edge = graph.operations[0]
        if isinstance(edge, Normalize):
            name = self.operation(edge, name, shape)
        elif isinstance(edge, Rescale):
            factor = factor * edge.factors
        name = self.node("Mul", [name, self.constant(factor)])
        name = self.node("Round", [self.node("Clip", [name, bottom, limit])])
        for position, operation in enumerate(graph.operations):
            if isinstance(operation, Dense | Convolution):
                unit, shift = next(remaining)
                # Behind the last layer outputs in their own unit, before it the next one's steps.
                scale = unit if shift is None else 2.0**-shift
                name = self.whole_product(operation, name, shape, scale / unit, scale)
                if shift is not None:
                    relu = isinstance(graph.operations[position + 1], Relu)
                    rounded = self.node("Round", [name])
                    name = self.node("Clip", [rounded, zero if relu else bottom, limit])
            elif not isinstance(operation, Normalize | Rescale | Relu):
                name = self.operation(operation, name, shape)
            elif isinstance(operation, Relu) and not isinstance(
                graph.operations[position - 1], Layer
            ):
                name = self.node("Relu", [name])
            shape = shape_after(operation, shape)
        return name, shape

    def whole_product(
        self, layer: Layer, name: str, shape: tuple[int, ...], bias: float, scale: float
    ) -> str:
        """Integers times integer weights times `scale`, plus the layer's bias times `bias`."""
        values = layer.weights.values
        if isinstance(layer, Convolution):
            values = np.ascontiguousarray(values.transpose(3, 2, 0, 1))
        whole = self.node("Cast", [self.constant(values)], to=TensorProto.FLOAT)
        weights = self.node("Mul", [whole, self.constant(np.float32(scale))])
        offset = (layer.bias.astype(np.float64) * bias).astype(np.float32)
        return self.product(layer, name, weights, offset, shape)

    def weights(self, layer: Layer, values: NDArray) -> str:
        if layer.weights.scale is None:
            return self.constant(values)
        if len(layer.weights.scale) == 1:
            scale: NDArray | np.generic = layer.weights.scale[0]
            axis: dict[str, Any] = {}
        else:
            scale = layer.weights.scale
            axis = {"axis": 0 if values.ndim == 4 else 1}
        zero = self.constant(np.zeros_like(scale, np.int8))
        return self.node(
            "DequantizeLinear", [self.constant(values), self.constant(scale), zero], **axis
        )

    def product(
        self, layer: Layer, name: str, weights: str, bias: NDArray | None, shape: tuple[int, ...]
    ) -> str:
        if isinstance(layer, Dense):
            inputs = [name, weights]
            if bias is None:
                return self.node("MatMul", inputs)
            return self.node("Gemm", [*inputs, self.constant(bias)])
        window = layer.weights.values.shape[:2]
        pads = _pads(shape, (window[0], window[1]), layer.strides, layer.padding)
        inputs = [name, weights] + ([] if bias is None else [self.constant(bias)])
        return self.node(
            "Conv", inputs, kernel_shape=list(window), strides=list(layer.strides), pads=pads
        )

    def dynamic_layer(
        self, layer: Layer, values: NDArray, name: str, shape: tuple[int, ...]
    ) -> str:
        assert isinstance(layer.input_scale, DynamicScale) and layer.weights.scale is not None
        image = len(shape) == 3
        largest = self.node(
            "ReduceMax", [self.node("Abs", [name])], axes=[1, 2, 3] if image else [1], keepdims=1
        )
        if layer.input_scale.floor:
            floor = self.constant(np.float32(layer.input_scale.floor))
            largest = self.node("Max", [largest, floor])
        zero, one = self.constant(np.float32(0)), self.constant(np.float32(1))
        largest = self.node("Where", [self.node("Equal", [largest, zero]), one, largest])
        scale = self.node("Mul", [largest, self.constant(np.float32(1.0 / LARGEST_INTEGER))])
        limit = np.float32(LARGEST_INTEGER)
        scaled = self.node("Mul", [name, self.node("Reciprocal", [scale])])
        clipped = self.node("Clip", [scaled, self.constant(-limit), self.constant(limit)])
        rounded = self.node("Round", [clipped])
        return self.scaled_product(layer, values, rounded, scale, shape)

    def scaled_product(
        self, layer: Layer, values: NDArray, name: str, scale: str | None, shape: tuple[int, ...]
    ) -> str:
        """(x times integer weights) * input scale * weight scale + bias, in training's order."""
        assert layer.weights.scale is not None
        whole = self.node("Cast", [self.constant(values)], to=TensorProto.FLOAT)
        product = self.product(layer, name, whole, None, shape)
        per_output, bias = layer.weights.scale, layer.bias
        if isinstance(layer, Convolution):
            per_output, bias = per_output[:, None, None], bias[:, None, None]
        if scale is not None:
            product = self.node("Mul", [product, scale])
        product = self.node("Mul", [product, self.constant(per_output)])
        return self.node("Add", [product, self.constant(bias)])


def _pads(
    shape: tuple[int, ...], window: tuple[int, int], strides: tuple[int, int], padding: str
) -> list[int]:
    around = [
        padding_before_and_after(shape[axis], window[axis], strides[axis], padding)  # type: ignore[arg-type]
        for axis in (0, 1)
    ]
    return [around[0][0], around[1][0], around[0][1], around[1][1]]
