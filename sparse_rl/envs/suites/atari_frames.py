"""Atari screens as DQN sees them: 84x84 grey pixels, shrunk by area."""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

SIDE = 84


class _Taps(NamedTuple):
    """For each pixel of the small image: the pixels it covers, and how much of each."""

    source: Int[np.ndarray, "taps small"]
    weight: Float[np.ndarray, "taps small"]


def shrink(screen: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "84 84"]:
    """Averages the screen over the area that each of 84x84 pixels covers.

    Rows first, then columns, in single precision and in the order of the pixels, as OpenCV's
    INTER_AREA does: only so do the sums round alike.
    """
    height, width = screen.shape
    columns = np.ascontiguousarray(screen.T).astype(np.float32)
    narrow = _weighted(columns, _taps(width))
    small = _weighted(np.ascontiguousarray(narrow.T), _taps(height))
    return np.rint(small).astype(np.uint8)


def _weighted(lines: Float[np.ndarray, "large n"], taps: _Taps) -> Float[np.ndarray, "84 n"]:
    total = lines[taps.source[0]]
    total *= taps.weight[0][:, None]
    for source, weight in zip(taps.source[1:], taps.weight[1:], strict=True):
        part = lines[source]
        part *= weight[:, None]
        total += part
    return total


@cache
def _taps(large: int) -> _Taps:
    scale = large / SIDE
    edges = np.arange(SIDE + 1) * scale
    first = np.floor(edges[:-1] + 1e-9).astype(int)
    most = int(np.ceil(scale)) + 1
    source = first + np.arange(most)[:, None]
    overlap = np.minimum(source + 1, edges[1:]) - np.maximum(source, edges[:-1])
    weight = np.clip(overlap, 0.0, None) / scale
    weight[weight < 1e-6] = 0.0
    used = weight.any(axis=1)
    return _Taps(np.minimum(source, large - 1)[used], weight[used].astype(np.float32))
