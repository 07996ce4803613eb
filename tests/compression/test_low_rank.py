"""Low rank against NumPy's singular values."""

import math

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.graph import Convolution, Dense, layers
from sparse_rl.artifact.weights import Weights
from sparse_rl.compression.low_rank import factors, with_low_rank


@pytest.mark.parametrize("rank", [1, 3, 11, 14])
def test_the_error_is_that_of_the_dropped_singular_values(rank):
    matrix = np.random.default_rng(rank).standard_normal((30, 20)).astype(np.float32)
    layer = Dense(Weights(matrix), np.arange(20, dtype=np.float32))
    made = factors(layer, rank)
    product = np.eye(30)
    for part in made:
        product = product @ part.weights.values
    dropped = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)[rank:]
    error = np.linalg.norm(product - matrix)
    np.testing.assert_allclose(error, np.sqrt(np.square(dropped).sum()), rtol=1e-5)
    assert len(made) == (2 if rank * (30 + 20) < 30 * 20 else 1)
    np.testing.assert_array_equal(made[-1].bias, layer.bias)


def test_full_rank_is_the_layer_itself():
    layer = Dense(Weights(np.ones((4, 3), np.float32)), np.zeros(3, np.float32))
    assert factors(layer, 3) == (layer,)


def test_a_convolution_of_low_rank_is_two(architecture):
    random = np.random.default_rng(0)
    kernel = random.standard_normal((3, 3, 4, 16)).astype(np.float32)
    layer = Convolution(Weights(kernel), random.standard_normal(16).astype(np.float32), (2, 2))
    first, second = factors(layer, 5)
    images = random.standard_normal((6, 9, 9, 4)).astype(np.float32)
    left, values, right = np.linalg.svd(kernel.reshape(-1, 16).astype(np.float64))
    short = (left[:, :5] * values[:5]) @ right[:5]
    wanted = Convolution(
        Weights(short.reshape(kernel.shape).astype(np.float32)), layer.bias, (2, 2)
    )
    np.testing.assert_allclose(
        reference.apply(second, reference.apply(first, images)),
        reference.apply(wanted, images),
        rtol=0,
        atol=1e-4,
    )


@pytest.mark.parametrize("ends", [0, 4])
def test_ranks_of_a_whole_network(architecture, ends):
    graph = architecture(sparsity=0.0, quantization="float32", seed=0)
    level = 0.9
    small = with_low_rank(graph, level, ends)
    for index, (layer, product) in enumerate(_pairs(graph, small)):
        matrix = layer.weights.values.reshape(-1, layer.weights.values.shape[-1])
        full = min(matrix.shape)
        wanted = max(1, math.ceil((1 - level) * full))
        if index in (0, len(list(layers(graph.operations))) - 1):
            wanted = max(wanted, min(ends, full))
        assert np.linalg.matrix_rank(product, tol=1e-4 * np.abs(product).max()) <= wanted
    observations = synthetic.random_observations(graph, 3, 0)
    assert np.isfinite(reference.outputs(small, observations)).all()


def _pairs(graph, small):
    """Each layer with the product of what has taken its place."""
    left = list(layers(small.operations))
    for layer in layers(graph.operations):
        outputs, product = layer.weights.values.shape[-1], None
        while product is None or product.shape[1] != outputs:
            kernel = left.pop(0).weights.values
            kernel = kernel.reshape(-1, kernel.shape[-1])
            product = kernel if product is None else product @ kernel
        yield layer, product
