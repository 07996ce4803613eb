"""The arithmetics in which policies are trained, in the order in which tables have them."""

from typing import Literal, get_args

Quantized = Literal["int8w", "int8", "integer"]
"""Kernels in int8; inputs too; inputs by scales that are fixed powers of two."""
Arithmetic = Literal["float32", Quantized]

QUANTIZED: tuple[Quantized, ...] = get_args(Quantized)
ARITHMETICS: tuple[Arithmetic, ...] = ("float32", *QUANTIZED)
