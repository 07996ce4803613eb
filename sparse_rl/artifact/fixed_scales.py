"""Which layers make whole numbers, by their scales."""

from __future__ import annotations

import numpy as np

from sparse_rl.artifact.graph import Layer
from sparse_rl.artifact.weights import StaticScale, exponent_of


def unit_of(layer: Layer) -> float | None:
    """The power of two of which a layer's sums and biases are multiples: integer arithmetic.

    None where a scale is no power of two, or found anew for each observation, where the unit is
    none that a byte holds the exponent of, or a bias is no multiple, or one that int32 does not
    hold.
    """
    scales = layer.weights.scale
    if not isinstance(layer.input_scale, StaticScale) or scales is None or len(scales) != 1:
        return None
    ways = (exponent_of(layer.input_scale.scale), exponent_of(scales[0]))
    if None in ways:
        return None
    unit = layer.input_scale.scale * float(scales[0])
    if not 2.0**-128 <= unit <= 2.0**127:
        return None
    biases = layer.bias.astype(np.float64) / unit
    whole = (biases == np.rint(biases)).all() and (np.abs(biases) < 1 << 30).all()
    return unit if whole else None
