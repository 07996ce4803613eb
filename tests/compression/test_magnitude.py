"""Pruning after training against the masks that training makes of the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact.graph import layers
from sparse_rl.compression.magnitude import pruned
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import PER_LAYER, pruned_counts, uniform


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("distribution", ["erk", "uniform", "er_paper", "global"])
def test_as_training_prunes(architecture, distribution, level):
    graph = architecture(sparsity=0.0, quantization="float32", seed=1)
    # Rounded, so that there are ties.
    kernels = [np.round(layer.weights.values, 2) for layer in layers(graph.operations)]
    kernels = [np.where(kernel == 0, np.float32(0.01), kernel) for kernel in kernels]
    params = {f"layer_{i:02}": {"kernel": jnp.asarray(k)} for i, k in enumerate(kernels)}
    graph = _with_kernels(graph, kernels)
    shapes = [kernel.shape for kernel in kernels]
    dead = pruned_counts(shapes, level, PER_LAYER.get(distribution, uniform))
    prune = mask_rules.pruning_of(distribution)
    scores = jax.tree.map(jnp.abs, params)
    masks = jax.jit(prune)(mask_rules.dense(params), scores, jnp.asarray(dead))
    found = pruned(graph, level, distribution)
    for layer, kernel, mask in zip(
        layers(found.operations), kernels, jax.tree.leaves(masks), strict=True
    ):
        np.testing.assert_array_equal(layer.weights.values, np.where(mask, kernel, 0))


def _with_kernels(graph, kernels):
    from dataclasses import replace

    from sparse_rl.artifact.graph import with_layers
    from sparse_rl.artifact.weights import Weights

    changed = (
        replace(layer, weights=Weights(kernel.astype(np.float32)))
        for layer, kernel in zip(layers(graph.operations), kernels, strict=True)
    )
    return replace(graph, operations=with_layers(graph.operations, changed))


def test_at_least_one_weight_of_each_layer_stays(architecture):
    graph = architecture(sparsity=0.0, quantization="float32", seed=0)
    found = pruned(graph, 0.9999, "uniform")
    assert all(layer.weights.nonzero >= 1 for layer in layers(found.operations))
    assert synthetic.random_observations(found, 1, 0).shape[1:] == graph.observation.shape
