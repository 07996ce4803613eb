"""Kernels and input scales of a layer, and the rule by which both are quantized.

Quantization is symmetric with the rule of training: scale = max|x| * (1 / 127), q =
round_half_even(clip(x * (1 / scale), -127, 127)); products are accumulated in int32 and the result
is accumulator * scale_x * scale_w + bias, in this order, in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_INTEGER = 127
LARGEST_BIAS = 1 << 23
"""Of a layer in powers of two, in units of its sums."""
_RECIPROCAL = np.float32(1.0 / LARGEST_INTEGER)


@dataclass(frozen=True, eq=False)
class Weights:
    """A kernel: Dense [inputs, outputs], Convolution [height, width, inputs, outputs].

    `values` is float32 (then `scale` is None) or int8 in [-127, 127] with a positive float32
    `scale` of one element (per tensor) or one per output channel; the weight is values * scale.
    """

    values: NDArray
    scale: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        kind = self.values.dtype
        if kind == np.int8:
            if self.scale is None or self.scale.shape not in ((1,), (self.values.shape[-1],)):
                raise ValueError("int8 weights need a scale with one element or one per output")
            if self.values.size and int(self.values.min()) < -LARGEST_INTEGER:
                raise ValueError("int8 weights must lie in [-127, 127]")
        elif kind != np.float32 or self.scale is not None:
            raise ValueError(
                f"weights of dtype {kind}: expected int8 with a scale, or float32 without"
            )

    @property
    def nonzero(self) -> int:
        return int(np.count_nonzero(self.values))

    @property
    def density(self) -> float:
        return self.nonzero / max(1, self.values.size)

    def dequantized(self) -> NDArray[np.float32]:
        if self.scale is None:
            return self.values.astype(np.float32)
        return self.values.astype(np.float32) * self.scale


@dataclass(frozen=True)
class DynamicScale:
    """One scale per observation, from the largest |input| of the whole layer input, as in training.

    `floor` is the least value that this maximum takes: the magnitude of removed constant inputs.
    """

    floor: float = 0.0


@dataclass(frozen=True)
class StaticScale:
    """A scale fixed before delivery, from calibration observations."""

    scale: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"static activation scale {self.scale}: expected a positive number")


InputScale = DynamicScale | StaticScale | None


def largest_sum(values: NDArray[np.int8]) -> int:
    """The largest magnitude that a sum of products may have, whatever int8 comes in."""
    rows = values.reshape(-1, values.shape[-1])
    return LARGEST_INTEGER * int(np.abs(rows).sum(axis=0, dtype=np.int64).max(initial=0))


def power_of_two(largest: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smallest power of two s with 127 s >= largest, not below 2^-126, as in training.

    That of 1 for 0.
    """
    mantissa, exponent = np.frexp(np.where(largest == 0, np.float32(1), largest))
    shift = np.where(mantissa <= LARGEST_INTEGER / 128, 7, 6)
    return np.ldexp(np.float32(1), np.maximum(exponent - shift, -126)).astype(np.float32)


def exponent_of(scale: float | np.floating) -> int | None:
    """k where the scale is 2^k; None where it is no power of two."""
    mantissa, exponent = np.frexp(np.float32(scale))
    return int(exponent) - 1 if mantissa == 0.5 else None


def quantize_weights(kernel: NDArray[np.floating], per_output_channel: bool) -> Weights:
    """int8 weights by the rule of training; the scale of nothing but zeros is 1 / 127."""
    kernel = kernel.astype(np.float32)
    axes = tuple(range(kernel.ndim - 1)) if per_output_channel else tuple(range(kernel.ndim))
    largest = np.max(np.abs(kernel), axis=axes, keepdims=True, initial=np.float32(0))
    scale = scale_of(largest)
    return Weights(quantize(kernel, scale), scale.reshape(-1))


def scale_of(largest: NDArray[np.float32]) -> NDArray[np.float32]:
    """max|x| * (1 / 127), with 1 in place of a maximum of zero."""
    one = np.float32(1)
    return (np.where(largest == 0, one, largest) * _RECIPROCAL).astype(np.float32)


def quantize(x: NDArray[np.float32], scale: NDArray[np.float32] | np.float32) -> NDArray[np.int8]:
    """round_half_even(clip(x * (1 / scale), -127, 127)); one for the inverse where it overflows."""
    clipped = np.clip(x * inverse_of(scale), -LARGEST_INTEGER, LARGEST_INTEGER)
    return np.rint(clipped).astype(np.int8)


def inverse_of(scale: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    """One over a scale in float32; 1 where that overflows."""
    with np.errstate(over="ignore", divide="ignore"):
        inverse = np.float32(1) / scale
    return np.where(np.isinf(inverse), np.float32(1), inverse).astype(np.float32)
