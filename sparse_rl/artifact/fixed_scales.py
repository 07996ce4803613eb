"""What can be said of layers by their scales: fixed ones, and those that make whole numbers."""

from __future__ import annotations

import numpy as np

from sparse_rl.artifact.graph import Graph, Layer, layers
from sparse_rl.artifact.weights import StaticScale, exponent_of


def is_static(graph: Graph) -> bool:
    """True if every layer has int8 weights and a static input scale: the integer path applies."""
    return all(
        isinstance(layer.input_scale, StaticScale) and layer.weights.scale is not None
        for layer in layers(graph.operations)
    )


def unit_of(layer: Layer) -> float | None:
    """The power of two of which a layer's sums and biases are multiples: integer arithmetic.

    None where a scale is no power of two, or found anew for each observation, or a bias is no
    multiple, or one that int32 does not hold.
    """
    scales = layer.weights.scale
    if not isinstance(layer.input_scale, StaticScale) or scales is None or len(scales) != 1:
        return None
    ways = (exponent_of(layer.input_scale.scale), exponent_of(scales[0]))
    if None in ways:
        return None
    unit = layer.input_scale.scale * float(scales[0])
    biases = layer.bias.astype(np.float64) / unit
    whole = (biases == np.rint(biases)).all() and (np.abs(biases) < 1 << 30).all()
    return unit if whole else None
