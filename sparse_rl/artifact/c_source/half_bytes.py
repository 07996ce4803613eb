"""Weights of fifteen values, -7 to 7, two to a byte: w + 8, the first of two in the lower half."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.c_source.target import Target

_LARGEST = 7
_ZERO = 8


def fit(values: NDArray, target: Target) -> bool:
    """Whether weights are kept so. On a host, reading them costs more than their size does."""
    small = values.dtype == np.int8 and int(np.abs(values).max(initial=0)) <= _LARGEST
    return small and target.rows


def array_of(name: str, values: Sequence[float] | NDArray) -> str:
    """The constant array of the weights."""
    counts = np.asarray(values, np.int64).ravel() + _ZERO
    counts = np.pad(counts, (0, counts.size % 2), constant_values=_ZERO)
    return array(name, "uint8_t", counts[::2] | counts[1::2] << 4)


def element(name: str, number: str) -> str:
    """The weight of this number in C."""
    return f"(({name}[{number} >> 1] >> 4 * ({number} & 1) & 15) - {_ZERO})"
