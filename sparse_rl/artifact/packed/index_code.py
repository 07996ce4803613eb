"""Positions of surviving weights as Rice-coded gaps, and the entropy bound to compare with.

The gaps between k random positions among n are nearly geometric, for which a Rice code with the
best parameter is within a few hundredths of a bit per weight of log2 binomial(n, k) (Rice and
Plaunt 1971; Gallager and Van Voorhis 1975). All quotients are written first, in unary, then all
remainders, so that reading and writing are a few NumPy operations on millions of weights.
"""

from __future__ import annotations

from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

LARGEST_PARAMETER = 30


def entropy_bits(size: int, count: int) -> float:
    """log2 binomial(size, count): bits that any code needs on average for random positions."""
    return (lgamma(size + 1) - lgamma(count + 1) - lgamma(size - count + 1)) / log(2)


def encode(positions: NDArray[np.int64]) -> tuple[int, bytes]:
    """(Rice parameter, code) of increasing positions; the code is padded to whole bytes."""
    if not len(positions):
        return 0, b""
    gaps = np.diff(positions, prepend=-1) - 1
    costs = [int((gaps >> k).sum()) + len(gaps) * (1 + k) for k in range(LARGEST_PARAMETER + 1)]
    parameter = int(np.argmin(costs))
    quotients = gaps >> parameter
    ends = np.cumsum(quotients + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1, np.uint8)
    unary[ends] = 1
    shifts = np.arange(parameter)[::-1]
    remainders = ((gaps[:, None] >> shifts) & 1).astype(np.uint8).ravel()
    return parameter, np.packbits(np.concatenate([unary, remainders])).tobytes()


def decode(code: bytes, count: int, parameter: int, size: int) -> tuple[NDArray[np.int64], int]:
    """(positions, bytes read) of `count` positions below `size`; ValueError for another code."""
    if count == 0:
        return np.empty(0, np.int64), 0
    # No unary part is longer than size / 2^parameter + count bits, and remainders have a fixed
    # length.
    longest = (size >> parameter) + count + count * parameter
    bits = np.unpackbits(np.frombuffer(code, np.uint8, min(len(code), -(-longest // 8))))
    ends = np.flatnonzero(bits)[:count]
    if len(ends) < count:
        raise ValueError("the index code ends early")
    start = int(ends[-1]) + 1
    used = start + count * parameter
    if used > len(bits):
        raise ValueError("the index code ends early")
    if bits[used : -(-used // 8) * 8].any():
        raise ValueError("the index code ends with set bits")
    quotients = np.diff(ends, prepend=-1) - 1
    weights = 1 << np.arange(parameter, dtype=np.int64)[::-1]
    remainders = bits[start:used].reshape(count, parameter).astype(np.int64) @ weights
    positions = np.cumsum((quotients << parameter) + remainders + 1) - 1
    if int(positions[-1]) >= size:
        raise ValueError("the index code leaves its layer")
    return positions, -(-used // 8)
