"""The pass `low_rank`: a layer as the product of two narrower ones.

A kernel as a matrix W [inputs, outputs] (of a convolution: [window * channels, outputs]) has the
singular value decomposition W = U S V^T. Its best approximation of rank r keeps the r largest
singular values; the error in the Frobenius norm is sqrt(sum of the squares of the dropped ones)
(Eckart and Young 1936). U S^(1/2) and S^(1/2) V^T are two layers where r (inputs + outputs) is less
than inputs * outputs; otherwise the layer stays one, of that rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    Layer,
    Operation,
    Residual,
    layers,
)
from sparse_rl.artifact.weights import Weights
from sparse_rl.compression.options import LowRankOptions
from sparse_rl.compression.policies import Pass, each


def build(options: LowRankOptions) -> Pass:
    """The pass with these options."""
    return each(lambda graph, _: with_low_rank(graph, options.level, options.ends))


def with_low_rank(graph: Graph, level: float, ends: int = 0) -> Graph:
    """The graph with layers of the rank ceil((1 - level) min(inputs, outputs)), at least 1.

    `ends` is the least rank of the first and last layer.
    """
    every = list(layers(graph.operations))
    least = {id(every[0]): ends, id(every[-1]): ends} if every else {}

    def rank(layer: Layer) -> int:
        matrix = layer.weights.values.reshape(-1, layer.weights.values.shape[-1])
        full = min(matrix.shape)
        wanted = math.ceil((1 - level) * full - 1e-9)
        return min(full, max(1, wanted, least.get(id(layer), 0)))

    def walk(operations: tuple[Operation, ...]) -> Iterator[Operation]:
        for operation in operations:
            if isinstance(operation, Residual):
                yield Residual(tuple(walk(operation.body)))
            elif isinstance(operation, Layer):
                yield from factors(operation, rank(operation))
            else:
                yield operation

    return replace(graph, operations=tuple(walk(graph.operations)))


def factors(layer: Layer, rank: int) -> tuple[Layer, ...]:
    """The layer in two, or in one where that has fewer weights; itself where its rank is less."""
    kernel = layer.weights.dequantized()
    matrix = kernel.reshape(-1, kernel.shape[-1])
    if rank >= min(matrix.shape):
        return (layer,)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    root = np.sqrt(values[:rank])
    first, second = left[:, :rank] * root, root[:, None] * right[:rank]
    if first.size + second.size >= matrix.size:
        return (replace(layer, weights=_weights(first @ second, kernel.shape), input_scale=None),)
    between = np.zeros(rank, np.float32)
    if isinstance(layer, Dense):
        return (
            Dense(_weights(first, first.shape), between),
            Dense(_weights(second, second.shape), layer.bias),
        )
    return (
        Convolution(
            _weights(first, (*kernel.shape[:3], rank)), between, layer.strides, layer.padding
        ),
        Convolution(_weights(second, (1, 1, *second.shape)), layer.bias),
    )


def _weights(matrix: NDArray, shape: tuple[int, ...]) -> Weights:
    return Weights(np.ascontiguousarray(matrix.reshape(shape), np.float32))
