"""Actors with random weights and random masks, for benchmarks and tests that need no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture import (
    LARGEST_INPUT,
    ArgMax,
    Dense,
    Flatten,
    Network,
    Observation,
    Operation,
    Relu,
    Squash,
    hidden_layers,
    layers,
)
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.architecture.torsos import impala_stacks, minatar, nature
from sparse_rl.arithmetics import Arithmetic
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.calibration import largest_inputs
from sparse_rl.artifact.graph import Graph, with_layers
from sparse_rl.artifact.graph import layers as bound_layers
from sparse_rl.artifact.weights import StaticScale, scale_of
from sparse_rl.compression.post_training import in_powers_of_two

PIXELS = 255.0


def random_arrays(
    network: Network, sparsity: float, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Kernels and biases of all layers by name: U(+-1/sqrt(fan_in)), kernels with a random mask."""
    random = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.float32]] = {}
    for layer in layers(network):
        shape = layer.kernel_shape
        size, fan_in = int(np.prod(shape)), int(np.prod(shape[:-1]))
        bound = 1 / np.sqrt(fan_in)
        values = random.uniform(-bound, bound, size) / np.sqrt(max(1e-6, 1 - sparsity))
        # Magnitude pruning keeps the largest: survivors stay away from zero.
        values += np.sign(values) * 0.5 * bound
        keep = max(1, round(size * (1 - sparsity)))
        mask = np.zeros(size, bool)
        mask[random.choice(size, keep, replace=False)] = True
        arrays[f"{layer.path}/kernel"] = (values * mask).reshape(shape).astype(np.float32)
        arrays[f"{layer.path}/bias"] = random.uniform(-bound, bound, shape[-1]).astype(np.float32)
    return arrays


def mlp_actor(
    sizes: Sequence[int] = (17, 256, 256, 6),
    sparsity: float = 0.98,
    quantization: Arithmetic = "int8",
    seed: int = 0,
) -> Graph:
    """A squashed Gaussian policy's mean: dense layers with ReLU between them, bounds -1 and 1."""
    bounds = (1.0,) * sizes[-1]
    squash = Squash(tuple(-b for b in bounds), bounds)
    head = Dense("mean", sizes[-1])
    network = Network(Observation((sizes[0],)), hidden_layers(sizes[1:-1]), (head,), squash)
    return _bound(network, sparsity, quantization, seed)


def calibrated_mlp_actor(
    sizes: Sequence[int], sparsity: float, quantization: Arithmetic, observations: NDArray
) -> Graph:
    """The same, with the ranges that `integer` needs from observations."""
    if quantization != "integer":
        return mlp_actor(sizes, sparsity, quantization)
    return in_powers_of_two(mlp_actor(sizes, sparsity, "int8w"), observations)


def minatar_q_network(
    sparsity: float = 0.9, quantization: Arithmetic = "int8", seed: int = 0
) -> Graph:
    """10 x 10 x 4 planes, convolution 16 3x3, dense 128, 6 actions."""
    seen = Observation((10, 10, 4), "bool")
    steps = minatar(TorsoOptions("minatar", (128,)), seen)
    return _q_network(seen, steps, sparsity, quantization, seed)


def nature_q_network(
    size: int = 84, sparsity: float = 0.9, quantization: Arithmetic = "int8", seed: int = 0
) -> Graph:
    """Stacked pixels, convolutions 32/8/4, 64/4/2, 64/3/1, dense 512, 6 actions."""
    seen = Observation((size, size, 4), "uint8", PIXELS, frame_stack=4)
    steps = nature(TorsoOptions("nature", (512,)), seen)
    return _q_network(seen, steps, sparsity, quantization, seed)


def impala_q_network(
    size: int = 84,
    channels: Sequence[int] = (32, 64, 64),
    dense: int = 512,
    sparsity: float = 0.9,
    quantization: Arithmetic = "int8",
    seed: int = 0,
) -> Graph:
    """Stacks of convolution, max pool and two residual blocks; ReLU, dense, 6 actions."""
    seen = Observation((size, size, 4), "uint8", PIXELS, frame_stack=4)
    steps = (*impala_stacks(channels), Relu(), Flatten(), *hidden_layers((dense,)))
    return _q_network(seen, steps, sparsity, quantization, seed)


def _q_network(
    seen: Observation,
    steps: tuple[Operation, ...],
    sparsity: float,
    quantization: Arithmetic,
    seed: int,
) -> Graph:
    network = Network(seen, steps, (Dense("head", 6),), ArgMax())
    return _bound(network, sparsity, quantization, seed)


def _bound(network: Network, sparsity: float, quantization: Arithmetic, seed: int) -> Graph:
    """With random arrays; for `integer` as if inputs of 3 had been the largest, of a vector's
    elements 1 to 100."""
    arrays = random_arrays(network, sparsity, seed)
    if quantization == "integer":
        seen = network.observation.shape
        for number, layer in enumerate(layers(network)):
            first = number == 0 and len(seen) == 1
            largest = np.geomspace(1, 100, seen[0]) if first else np.array(3.0)
            arrays[f"{layer.path}/{LARGEST_INPUT}"] = largest.astype(np.float32)
    return bind(network, arrays, quantization)


def random_observations(graph: Graph, number: int, seed: int = 0) -> NDArray:
    """Standard normal floats, uniform bytes, or planes with a tenth of their cells set."""
    random = np.random.default_rng(seed)
    shape = (number, *graph.observation.shape)
    if graph.observation.dtype == "float32":
        return random.standard_normal(shape).astype(np.float32)
    if graph.observation.dtype == "bool":
        return random.random(shape) < 0.1
    return random.integers(0, 256, shape).astype(np.uint8)


def with_static_scales(graph: Graph, observations: NDArray) -> Graph:
    """Every layer's input scale fixed to max|input| / 127 over the observations [batch, *shape]."""
    scales = [
        StaticScale(float(scale_of(np.array(largest, np.float32))))
        for largest in largest_inputs(graph, observations)
    ]
    replaced = (
        replace(layer, input_scale=scale)
        for layer, scale in zip(bound_layers(graph.operations), scales, strict=True)
    )
    return replace(graph, operations=with_layers(graph.operations, replaced))


def dense_float32_bytes(graph: Graph) -> int:
    """Bytes of all weights and biases as float32, zeros included."""
    return 4 * sum(
        layer.weights.values.size + layer.bias.size for layer in bound_layers(graph.operations)
    )
