"""From a trained policy's arrays to a graph: MLP, MinAtar CNN, Nature CNN and IMPALA ResNet.

The arrays are those of one trained policy: `hidden_0/kernel`, `hidden_0/bias`, ..., and the head:
`mean` (SAC; `log_std` is left behind, a deterministic policy needs none) or `head` (DQN). Structure
that the arrays do not show (strides, padding, pooling) is that of
`sparse_rl.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.graph import (
    ArgMax,
    Convolution,
    Dense,
    DynamicScale,
    Flatten,
    Graph,
    MaxPool,
    Observation,
    Operation,
    Relu,
    Residual,
    Squash,
    Weights,
    quantise_weights,
)

Arrays = Mapping[str, NDArray]
Quantization = Literal["float32", "int8w", "int8"]
_NATURE_STRIDES = (4, 2, 1)


def lower(
    arrays: Arrays,
    torso: str,
    quantization: Quantization,
    observation: Observation,
    output: Squash | ArgMax,
) -> Graph:
    """The graph of one seed's policy; `torso` is mlp, minatar, nature or impala.

    Raises ValueError for another torso or quantisation, or where the arrays do not fit together.
    """
    if quantization not in ("float32", "int8w", "int8"):
        raise ValueError(f"quantization {quantization!r}: expected float32, int8w or int8")
    build = _Builder(arrays, quantization)
    if torso == "mlp":
        operations: list[Operation] = []
    elif torso == "minatar":
        operations = [build.convolution("convolution_0"), Relu()]
    elif torso == "nature":
        operations = []
        for index, stride in enumerate(_NATURE_STRIDES):
            operations += [build.convolution(f"convolution_{index}", stride), Relu()]
    elif torso == "impala":
        operations = [step for index in range(3) for step in build.stack(f"stack_{index}")]
        operations.append(Relu())
    else:
        raise ValueError(f"network.torso {torso!r}: expected mlp, minatar, nature or impala")
    if len(observation.shape) > 1:
        operations.append(Flatten())
    index = 0
    while f"hidden_{index}/kernel" in arrays:
        operations += [build.dense(f"hidden_{index}"), Relu()]
        index += 1
    operations.append(build.dense("mean" if isinstance(output, Squash) else "head"))
    return Graph(observation, tuple(operations), output)


def float32_bytes(arrays: Arrays) -> int:
    """Bytes of one seed's trained policy as dense float32, a SAC actor's log_std included."""
    return sum(4 * value.size for value in arrays.values())


class _Builder:
    def __init__(self, arrays: Arrays, quantization: Quantization) -> None:
        self.arrays = arrays
        self.quantization = quantization

    def array(self, name: str) -> NDArray[np.float32]:
        if name not in self.arrays:
            raise ValueError(
                f"policy: the array {name} is missing; there are {', '.join(self.arrays)}"
            )
        return np.asarray(self.arrays[name], np.float32)

    def weights(self, name: str) -> Weights:
        kernel = self.array(f"{name}/kernel")
        if self.quantization == "float32":
            return Weights(kernel)
        return quantise_weights(kernel, per_output_channel=kernel.ndim == 4)

    @property
    def input_scale(self) -> DynamicScale | None:
        return DynamicScale() if self.quantization == "int8" else None

    def dense(self, name: str) -> Dense:
        return Dense(self.weights(name), self.array(f"{name}/bias"), self.input_scale)

    def convolution(self, name: str, stride: int = 1, same: bool = False) -> Convolution:
        padding: Literal["SAME", "VALID"] = "SAME" if same else "VALID"
        bias = self.array(f"{name}/bias")
        return Convolution(self.weights(name), bias, (stride, stride), padding, self.input_scale)

    def stack(self, name: str) -> list[Operation]:
        blocks: list[Operation] = [
            Residual(
                (
                    Relu(),
                    self.convolution(f"{name}/block_{index}/convolution_0", same=True),
                    Relu(),
                    self.convolution(f"{name}/block_{index}/convolution_1", same=True),
                )
            )
            for index in range(2)
        ]
        return [self.convolution(f"{name}/convolution"), MaxPool((3, 3), (2, 2)), *blocks]
