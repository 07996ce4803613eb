"""Gymnasium's and Gym's spaces out of a pickle's records."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.importers.inert_pickle import Record
from sparse_rl.importers.numpy_arrays import array_of, dtype_of, kind_of


class Box(NamedTuple):
    """Arrays of one shape between two bounds."""

    shape: tuple[int, ...]
    dtype: np.dtype
    low: NDArray
    high: NDArray

    @property
    def is_pixels(self) -> bool:
        """Bytes of an image, from 0 to 255: what Stable-Baselines3 divides by 255."""
        if len(self.shape) != 3 or self.dtype != np.uint8:
            return False
        return bool((self.low == 0).all() and (self.high == 255).all())


class Discrete(NamedTuple):
    """The numbers 0, 1, ..., n - 1."""

    n: int


def space_of(value: Any, what: str) -> Box | Discrete:
    """A box or a discrete space; `what` begins the ValueError for any other."""
    if not (isinstance(value, Record) and value.called and isinstance(value.state, dict)):
        raise ValueError(f"{what}: found {kind_of(value)}; expected a space")
    if value.name == "Box":
        return _box(value.state, what)
    if value.name == "Discrete":
        n = int(_number(value.state, "n", what))
        if int(_number(value.state, "start", what, 0)) != 0:
            raise ValueError(f"{what}: found a Discrete that does not start at 0; allowed: 0")
        if not 1 <= n <= 1 << 20:
            raise ValueError(f"{what}: found {n} actions; allowed: 1 to {1 << 20}")
        return Discrete(n)
    raise ValueError(f"{what}: found {value.name[:40]}; allowed: Box, Discrete")


def _box(state: dict[Any, Any], what: str) -> Box:
    low, high = (array_of(state.get(name), f"{what}.{name}") for name in ("low", "high"))
    shape = state.get("_shape", state.get("shape", low.shape))
    if low.shape != high.shape or shape != low.shape or not all(size > 0 for size in low.shape):
        raise ValueError(f"{what}: bounds of the shapes {low.shape} and {high.shape}")
    try:
        dtype = dtype_of(state.get("dtype"))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return Box(low.shape, dtype, low, high)


def _number(state: dict[Any, Any], name: str, what: str, default: int | None = None) -> int:
    array = array_of(state.get(name, default), f"{what}.{name}")
    if array.shape != () or array.dtype.kind not in "iu":
        raise ValueError(f"{what}.{name}: found {array.dtype} {array.shape}; expected an integer")
    return int(array)
