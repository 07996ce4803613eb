"""Actors with random weights and random masks, for benchmarks and tests that need no training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
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

Quantisation = Literal["float32", "int8w", "int8"]


class _Layers:
    """Draws layers: kernels and biases U(+-1/sqrt(fan_in)), kernels scaled up for the weights
    lost.
    """

    def __init__(self, seed: int, sparsity: float, quantisation: Quantisation) -> None:
        self.random = np.random.default_rng(seed)
        self.sparsity = sparsity
        self.quantisation = quantisation

    def kernel(self, shape: tuple[int, ...]) -> tuple[Weights, NDArray[np.float32]]:
        size, fan_in = int(np.prod(shape)), int(np.prod(shape[:-1]))
        bound = 1 / np.sqrt(fan_in)
        values = self.random.uniform(-bound, bound, size) / np.sqrt(max(1e-6, 1 - self.sparsity))
        # Magnitude pruning keeps the largest: survivors stay away from zero.
        values += np.sign(values) * 0.5 * bound
        keep = max(1, round(size * (1 - self.sparsity)))
        mask = np.zeros(size, bool)
        mask[self.random.choice(size, keep, replace=False)] = True
        kernel = (values * mask).reshape(shape).astype(np.float32)
        bias = self.random.uniform(-bound, bound, shape[-1]).astype(np.float32)
        if self.quantisation == "float32":
            return Weights(kernel), bias
        return quantise_weights(kernel, per_output_channel=len(shape) == 4), bias

    @property
    def input_scale(self) -> DynamicScale | None:
        return DynamicScale() if self.quantisation == "int8" else None

    def dense(self, inputs: int, outputs: int) -> Dense:
        return Dense(*self.kernel((inputs, outputs)), self.input_scale)

    def convolution(
        self, size: int, inputs: int, outputs: int, stride: int = 1, same: bool = False
    ) -> Convolution:
        weights, bias = self.kernel((size, size, inputs, outputs))
        padding: Literal["SAME", "VALID"] = "SAME" if same else "VALID"
        return Convolution(weights, bias, (stride, stride), padding, self.input_scale)


def mlp_actor(
    sizes: Sequence[int] = (17, 256, 256, 6),
    sparsity: float = 0.98,
    quantisation: Quantisation = "int8",
    seed: int = 0,
) -> Graph:
    """A squashed Gaussian policy's mean: dense layers with ReLU between them, bounds -1 and 1."""
    draw = _Layers(seed, sparsity, quantisation)
    operations: list[Operation] = []
    for inputs, outputs in pairwise(sizes):
        operations += [draw.dense(inputs, outputs), Relu()]
    bounds = (1.0,) * sizes[-1]
    squash = Squash(tuple(-b for b in bounds), bounds)
    return Graph(Observation((sizes[0],)), tuple(operations[:-1]), squash)


def minatar_q_network(
    sparsity: float = 0.9, quantisation: Quantisation = "int8", seed: int = 0
) -> Graph:
    """10 x 10 x 4 planes, convolution 16 3x3, dense 128, 6 actions."""
    draw = _Layers(seed, sparsity, quantisation)
    operations: tuple[Operation, ...] = (draw.convolution(3, 4, 16), Relu(), Flatten())
    operations += (draw.dense(1024, 128), Relu())
    return Graph(Observation((10, 10, 4), "bool"), (*operations, draw.dense(128, 6)), ArgMax())


def nature_q_network(
    size: int = 84, sparsity: float = 0.9, quantisation: Quantisation = "int8", seed: int = 0
) -> Graph:
    """Stacked pixels, convolutions 32/8/4, 64/4/2, 64/3/1, dense 512, 6 actions."""
    draw = _Layers(seed, sparsity, quantisation)
    convolutions = [draw.convolution(8, 4, 32, 4), draw.convolution(4, 32, 64, 2)]
    convolutions.append(draw.convolution(3, 64, 64))
    side = (((size - 8) // 4 + 1 - 4) // 2 + 1) - 2
    operations: list[Operation] = [step for layer in convolutions for step in (layer, Relu())]
    operations += [Flatten(), draw.dense(side * side * 64, 512), Relu(), draw.dense(512, 6)]
    return Graph(
        Observation((size, size, 4), "uint8", 255.0, frame_stack=4), tuple(operations), ArgMax()
    )


def impala_q_network(
    size: int = 84,
    channels: Sequence[int] = (32, 64, 64),
    dense: int = 512,
    sparsity: float = 0.9,
    quantisation: Quantisation = "int8",
    seed: int = 0,
) -> Graph:
    """Stacks of convolution, max pool and two residual blocks; ReLU, dense, 6 actions."""
    draw = _Layers(seed, sparsity, quantisation)

    def stack(inputs: int, outputs: int) -> Iterator[Operation]:
        yield draw.convolution(3, inputs, outputs)
        yield MaxPool((3, 3), (2, 2))
        for _ in range(2):
            first = draw.convolution(3, outputs, outputs, same=True)
            second = draw.convolution(3, outputs, outputs, same=True)
            yield Residual((Relu(), first, Relu(), second))

    operations: list[Operation] = []
    side, before = size, 4
    for outputs in channels:
        operations += stack(before, outputs)
        side, before = (side - 2 - 3) // 2 + 1, outputs
    operations += [Relu(), Flatten(), draw.dense(side * side * before, dense), Relu()]
    operations.append(draw.dense(dense, 6))
    return Graph(
        Observation((size, size, 4), "uint8", 255.0, frame_stack=4), tuple(operations), ArgMax()
    )


def random_observations(graph: Graph, number: int, seed: int = 0) -> NDArray:
    """Standard normal floats, uniform bytes, or planes with a tenth of their cells set."""
    random = np.random.default_rng(seed)
    shape = (number, *graph.observation.shape)
    if graph.observation.dtype == "float32":
        return random.standard_normal(shape).astype(np.float32)
    if graph.observation.dtype == "bool":
        return random.random(shape) < 0.1
    return random.integers(0, 256, shape).astype(np.uint8)
