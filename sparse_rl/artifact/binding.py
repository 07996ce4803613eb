"""From a network's data and a trained policy's arrays to a graph, and back.

Arrays are named by their path in the network: `hidden_0/kernel`, `stack_0/convolution/bias`,
`norm/scale`, `normalize/mean`. A delivered policy is deterministic: it has the first head alone, so
a Gaussian's `log_std` is left behind.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture import LARGEST_INPUT, Network
from sparse_rl.architecture import operations as data
from sparse_rl.arithmetics import ARITHMETICS, Arithmetic
from sparse_rl.artifact import graph as bound
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.weights import (
    LARGEST_BIAS,
    DynamicScale,
    InputScale,
    StaticScale,
    Weights,
    power_of_two,
    quantize_weights,
)

Arrays = Mapping[str, NDArray]


def bind(network: Network, arrays: Arrays, arithmetic: Arithmetic) -> Graph:
    """The graph of one policy; int8w quantizes kernels, int8 also the inputs of these layers.

    So does integer, with scales that are powers of two: inputs by the largest one that the layer
    has met, where an observation is measured each of its elements by its own. Normalization is
    float32 in all of them. Raises ValueError for another arithmetic, for a network
    without an output, or where the arrays do not fit.
    """
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"arithmetic {arithmetic!r}: expected {', '.join(ARITHMETICS)}")
    if network.output is None:
        raise ValueError("the network has no output: no action can be made from it")
    steps = (*network.operations, network.heads[0])
    binding = _Binding(arrays, arithmetic)
    return Graph(network.observation, binding.operations(steps, ""), network.output)


def unbind(graph: Graph) -> tuple[Network, dict[str, NDArray[np.float32]]]:
    """A network with one head, and its arrays, that compute the same and can be trained again.

    Layers are named by their kind and number, `hidden_0`, `convolution_0`, as in the built-in
    networks; the head is `head` for discrete actions and `mean` for continuous ones. Quantized
    weights become the numbers that they stand for; how inputs are quantized is not kept.

    Raises ValueError where the graph does not end with a dense layer, or rescales something else
    than what its first dense layer reads.
    """
    *steps, last = graph.operations or (None,)
    if not isinstance(last, bound.Dense):
        raise ValueError("the graph does not end with a dense layer, so it has no head")
    unbinding = _Unbinding()
    name = "head" if isinstance(graph.output, data.ArgMax) else "mean"
    rescale = steps[0] if steps and isinstance(steps[0], bound.Rescale) else None
    steps = steps[rescale is not None :]
    if rescale is not None and steps and not isinstance(steps[0], bound.Dense):
        raise ValueError("an observation is rescaled for something else than a dense layer")
    operations = unbinding.operations(tuple(steps), "")
    unbinding.layer(name, last)
    if rescale is not None:
        # Factors of an observation's elements are factors of the rows that read them.
        unbinding.arrays[f"{'hidden_0' if steps else name}/kernel"] *= rescale.factors[:, None]
    head = data.Dense(name, len(last.bias))
    return Network(graph.observation, operations, (head,), graph.output), unbinding.arrays


def float32_bytes(arrays: Arrays) -> int:
    """Bytes of a trained policy as dense float32, all heads included."""
    return sum(
        4 * value.size for name, value in arrays.items() if name.rpartition("/")[2] != LARGEST_INPUT
    )


class _Binding:
    def __init__(self, arrays: Arrays, arithmetic: Arithmetic) -> None:
        self.arrays = arrays
        self.arithmetic = arithmetic

    def operations(
        self, operations: tuple[data.Operation, ...], scope: str
    ) -> tuple[bound.Operation, ...]:
        found: list[bound.Operation] = []
        for operation in operations:
            match operation:
                case data.Block(name, body):
                    found += self.operations(body, f"{scope}{name}/")
                case data.Residual(name, body):
                    found.append(bound.Residual(self.operations(body, f"{scope}{name}/")))
                case data.Dense(name):
                    weights, bias, scale = self.layer(scope + name, axes=2)
                    self.check(scope + name, bias, operation.features)
                    if isinstance(scale, bound.Rescale):
                        found.append(scale)
                        scale = StaticScale(1.0)
                    found.append(bound.Dense(weights, bias, scale))
                case data.Convolution(name, features, window, strides, padding):
                    weights, bias, scale = self.layer(scope + name, axes=4)
                    assert not isinstance(scale, bound.Rescale)
                    self.check(scope + name, bias, features)
                    if weights.values.shape[:2] != window:
                        raise ValueError(
                            f"policy: {scope}{name}/kernel has the shape {weights.values.shape}, "
                            f"the network a window of {window}"
                        )
                    found.append(bound.Convolution(weights, bias, strides, padding, scale))
                case data.LayerNorm(name, epsilon):
                    arrays = self.array(f"{scope}{name}/scale"), self.array(f"{scope}{name}/bias")
                    found.append(bound.LayerNorm(*arrays, epsilon))
                case data.Normalize(name, epsilon, limit):
                    mean = self.array(f"{scope}{name}/mean")
                    variance = self.array(f"{scope}{name}/variance")
                    found.append(bound.Normalize(mean, variance, epsilon, limit))
                case _:
                    found.append(operation)
        return tuple(found)

    def array(self, name: str) -> NDArray[np.float32]:
        if name not in self.arrays:
            raise ValueError(
                f"policy: the array {name} is missing; there are {', '.join(self.arrays)}"
            )
        array = np.asarray(self.arrays[name])
        if array.dtype != np.float32:
            raise ValueError(f"policy: the array {name} is {array.dtype}; expected float32")
        if not np.isfinite(array).all():
            raise ValueError(f"policy: the array {name} holds a number that is not finite")
        return array

    def layer(
        self, name: str, axes: int
    ) -> tuple[Weights, NDArray[np.float32], InputScale | bound.Rescale]:
        """Weights, bias and how the input is quantized; `Rescale` where each of them by itself."""
        kernel = self.array(f"{name}/kernel")
        if kernel.ndim != axes:
            raise ValueError(f"policy: {name}/kernel has the shape {kernel.shape}, not {axes} axes")
        bias = self.array(f"{name}/bias")
        if self.arithmetic == "float32":
            return Weights(kernel), bias, None
        if self.arithmetic == "integer":
            largest = self.array(f"{name}/{LARGEST_INPUT}")
            if largest.shape not in ((), kernel.shape[:1] if axes == 2 else ()):
                raise ValueError(
                    f"policy: {name}/{LARGEST_INPUT} has the shape {largest.shape}, "
                    f"the kernel {kernel.shape}"
                )
            return _in_powers_of_two(kernel, bias, largest)
        scale = DynamicScale() if self.arithmetic == "int8" else None
        return quantize_weights(kernel, per_output_channel=axes == 4), bias, scale

    def check(self, name: str, bias: NDArray, features: int) -> None:
        if bias.shape != (features,):
            raise ValueError(
                f"policy: {name}/bias has the shape {bias.shape}, the network {features} features"
            )


def _in_powers_of_two(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], largest: NDArray[np.float32]
) -> tuple[Weights, NDArray[np.float32], StaticScale | bound.Rescale]:
    """The layer by the rule of `quantization.powers_of_two`, which trained it."""
    scale = power_of_two(largest)
    rows = kernel * (scale[:, None] if scale.ndim else scale)
    unit = power_of_two(np.abs(rows).max(initial=np.float32(0)))
    values = np.rint(rows / unit).astype(np.int8)
    most = np.float32(LARGEST_BIAS)
    rounded = (np.rint(np.clip(bias / unit, -most, most)) * unit).astype(np.float32)
    if scale.ndim:
        exponents = -np.rint(np.log2(scale)).astype(np.int8)
        return Weights(values, unit.reshape(1)), rounded, bound.Rescale(exponents)
    return Weights(values, (unit / scale).reshape(1)), rounded, StaticScale(float(scale))


class _Unbinding:
    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.float32]] = {}
        self.counts: dict[str, int] = {}

    def operations(
        self, operations: tuple[bound.Operation, ...], scope: str
    ) -> tuple[data.Operation, ...]:
        return tuple(self.operation(operation, scope) for operation in operations)

    def operation(self, operation: bound.Operation, scope: str) -> data.Operation:
        match operation:
            case bound.Dense():
                name = self.next("hidden", scope)
                self.layer(scope + name, operation)
                return data.Dense(name, len(operation.bias))
            case bound.Convolution():
                name = self.next("convolution", scope)
                self.layer(scope + name, operation)
                height, width, _, features = operation.weights.values.shape
                strides, padding = operation.strides, operation.padding
                return data.Convolution(name, features, (height, width), strides, padding)
            case bound.LayerNorm(scale, bias, epsilon):
                name = self.next("norm", scope)
                self.arrays |= {f"{scope}{name}/scale": scale, f"{scope}{name}/bias": bias}
                return data.LayerNorm(name, epsilon)
            case bound.Normalize(mean, variance, epsilon, limit):
                name = self.next("normalize", scope)
                self.arrays |= {f"{scope}{name}/mean": mean, f"{scope}{name}/variance": variance}
                return data.Normalize(name, epsilon, limit)
            case bound.Residual(body):
                name = self.next("block", scope)
                return data.Residual(name, self.operations(body, f"{scope}{name}/"))
            case bound.Rescale():
                raise ValueError("an observation is rescaled behind the first operation")
            case _:
                return operation

    def next(self, kind: str, scope: str) -> str:
        number = self.counts.get(scope + kind, 0)
        self.counts[scope + kind] = number + 1
        return f"{kind}_{number}"

    def layer(self, path: str, layer: bound.Layer) -> None:
        self.arrays[f"{path}/kernel"] = layer.weights.dequantized()
        self.arrays[f"{path}/bias"] = layer.bias
