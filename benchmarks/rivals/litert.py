"""The actor in LiteRT (formerly TensorFlow Lite) with XNNPACK, called from Python.

`pip install ai-edge-litert` brings it, and the classes that write its model files. Each call is
`invoke` alone, with input and output where they are wanted, which is all but a microsecond its own
time.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals.integers import IntegerLayer, Scale
from sparse_rl.architecture.operations import Relu
from sparse_rl.artifact.cost.latency import Latency, of_function
from sparse_rl.artifact.graph import Dense, Graph


def missing() -> str | None:
    """Why LiteRT cannot be used, or None."""
    found = importlib.util.find_spec("ai_edge_litert")
    return None if found else "pip install ai-edge-litert"


def latency(
    model: bytes, observations: NDArray[np.float32], calls: int
) -> tuple[Latency, NDArray[np.float32]]:
    """Single calls with one thread, and the actions [n, m] of all observations."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    observation = interpreter.tensor(interpreter.get_input_details()[0]["index"])
    action = interpreter.tensor(interpreter.get_output_details()[0]["index"])
    actions = []
    for row in observations:
        observation()[0] = row
        interpreter.invoke()
        actions.append(action()[0].copy())
    time = of_function(lambda _: interpreter.invoke(), observations, calls)
    return time, np.array(actions)


def float_model(graph: Graph) -> bytes:
    """Dense layers in float32, ReLU fused, and tanh."""
    steps = [step for step in graph.operations if not isinstance(step, Relu)]
    model = _Model(steps[0].weights.values.shape[0])  # type: ignore[union-attr]
    name = model.observation
    for number, layer in enumerate(steps):
        assert isinstance(layer, Dense)
        weights = np.ascontiguousarray(layer.weights.values.T)
        name = model.dense(name, weights, layer.bias, number < len(steps) - 1)
    return model.finished(model.node("TANH", name, len(steps[-1].bias)))  # type: ignore[union-attr]


def integer_model(chain: Sequence[IntegerLayer]) -> bytes:
    """The int8 chain between QUANTIZE and DEQUANTIZE, and tanh."""
    model = _Model(chain[0].weights.shape[1])
    name = model.node("QUANTIZE", model.observation, chain[0].weights.shape[1], chain[0].inputs)
    for layer in chain:
        name = model.dense(name, layer.weights, layer.bias, layer.relu, layer)
    width = len(chain[-1].bias)
    return model.finished(model.node("TANH", model.node("DEQUANTIZE", name, width), width))


class _Model:
    """A flatbuffer in the making: tensors are named by their place."""

    def __init__(self, inputs: int) -> None:
        from ai_edge_litert import schema_py_generated

        self.schema: Any = schema_py_generated
        self.buffers: list[Any] = [self.schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[str] = []
        self.observation = self._tensor((1, inputs), np.float32)

    def _tensor(
        self,
        shape: tuple[int, ...],
        kind: Any,
        scale: Scale | None = None,
        values: NDArray | None = None,
    ) -> int:
        tensor, kinds = self.schema.TensorT(), self.schema.TensorType
        tensor.shape, tensor.name, tensor.buffer = list(shape), f"tensor_{len(self.tensors)}", 0
        tensor.type = {
            np.float32: kinds.FLOAT32,
            np.int8: kinds.INT8,
            np.int32: kinds.INT32,
        }[kind]
        if scale is not None:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = [scale.scale]
            tensor.quantization.zeroPoint = [scale.zero]
        if values is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, kind).tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _operator(self, code: str, inputs: list[int], output: int) -> Any:
        if code not in self.codes:
            self.codes.append(code)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = inputs, [output]
        self.operators.append(operator)
        return operator

    def node(self, code: str, name: int, width: int, scale: Scale | None = None) -> int:
        """An operation without options; its output is int8 where it has a scale."""
        output = self._tensor((1, width), np.float32 if scale is None else np.int8, scale)
        self._operator(code, [name], output)
        return output

    def dense(
        self,
        name: int,
        weights: NDArray,
        bias: NDArray,
        relu: bool,
        layer: IntegerLayer | None = None,
    ) -> int:
        kind: Any = np.float32 if layer is None else np.int8
        scales: tuple[Scale | None, ...] = (None, None, None)
        if layer is not None:
            product = layer.inputs.scale * layer.weight_scale
            scales = Scale(layer.weight_scale, 0), Scale(product, 0), layer.outputs
        kernel = self._tensor(weights.shape, kind, scales[0], weights)
        offset = self._tensor(
            bias.shape, np.float32 if layer is None else np.int32, scales[1], bias
        )
        output = self._tensor((1, len(bias)), kind, scales[2])
        operator = self._operator("FULLY_CONNECTED", [name, kernel, offset], output)
        options = self.schema.FullyConnectedOptionsT()
        activations = self.schema.ActivationFunctionType
        options.fusedActivationFunction = activations.RELU if relu else activations.NONE
        operator.builtinOptionsType = self.schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = options
        return output

    def finished(self, action: int) -> bytes:
        import flatbuffers

        graph = self.schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [self.observation], [action]
        model = self.schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for name in self.codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode = getattr(self.schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode, code.version = code.builtinCode, 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
