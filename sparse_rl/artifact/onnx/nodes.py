"""Operations of a graph as ONNX nodes; images have their channels first."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sparse_rl.architecture.operations import Flatten, MaxPool, Relu, Tanh
from sparse_rl.architecture.shapes import padding_before_and_after
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Layer,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
    shape_after,
)
from sparse_rl.artifact.weights import LARGEST_INTEGER, DynamicScale, StaticScale


class OnnxNodes:
    """Nodes and constants in the making; what adds some returns the name of its result."""

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
