"""The pass `prune`: the weights of the smallest magnitude become zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from sparse_rl.artifact.graph import Graph, Layer, layers, with_layers
from sparse_rl.artifact.weights import Weights
from sparse_rl.compression.options import PruneOptions
from sparse_rl.compression.policies import Pass, each
from sparse_rl.sparsity.distributions import named, pruned_counts


def build(options: PruneOptions) -> Pass:
    """The pass with these options."""
    return each(lambda graph, _: pruned(graph, options.level, options.distribution))


def pruned(graph: Graph, level: float, distribution: str) -> Graph:
    """The graph whose smallest weights are zero; at least one of each layer stays.

    Of equal magnitudes the lower index goes first, as in training (`sparsity.masks`).
    """
    kernels = [layer.weights.values for layer in layers(graph.operations)]
    dead = pruned_counts([kernel.shape for kernel in kernels], level, named(distribution))
    scores = [np.abs(kernel).ravel() for kernel in kernels]
    if distribution == "global":
        kept = _globally(scores, int(dead.sum()))
    else:
        kept = [_largest(score, int(count)) for score, count in zip(scores, dead, strict=True)]

    def change(layer: Layer, keep: NDArray[np.bool_]) -> Layer:
        values = layer.weights.values
        left = np.where(keep.reshape(values.shape), values, values.dtype.type(0))
        return replace(layer, weights=Weights(left, layer.weights.scale))

    replaced = map(change, layers(graph.operations), kept)
    return replace(graph, operations=with_layers(graph.operations, replaced))


def _largest(scores: NDArray, dead: int) -> NDArray[np.bool_]:
    """True but for the `dead` smallest scores."""
    keep = np.ones(scores.size, bool)
    keep[np.argsort(scores, kind="stable")[:dead]] = False
    return keep


def _globally(scores: list[NDArray], dead: int) -> list[NDArray[np.bool_]]:
    """One threshold for all layers; the best weight of each is kept first."""
    protected = []
    for score in scores:
        score = score.astype(np.float64)
        score[np.argmax(score)] = np.inf
        protected.append(score)
    every = np.concatenate(protected)
    dead = min(dead, every.size - len(scores))
    ends: Int[np.ndarray, " layers"] = np.cumsum([score.size for score in scores])[:-1]
    return np.split(_largest(every, dead), ends)
