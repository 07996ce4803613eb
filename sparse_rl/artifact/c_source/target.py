"""Which machine the C is generated for, and what the kernels cost there.

The costs are relative to one multiply-accumulate of the densest kernel and were measured with
`benchmarks/inference.py --kernels`; they decide between kernels, nothing else. Those of a host lie
between a processor with products of bytes (AVX-512 VNNI: the dense int8 kernel takes an eighth of
the time) and one without, where a sparse int8 kernel gains from 80 % on.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace


@dataclass(frozen=True)
class Target:
    """Kernel choice by density.

    Below `unrolled_density` (and `unrolled_terms` weights) a layer becomes straight-line code,
    below `sparse_density` an indexed sparse kernel, and above that all its weights are stored.
    """

    name: str
    unrolled_density_float: float
    unrolled_density_integer: float
    unrolled_terms: int
    sparse_density_float: float
    sparse_density_integer: float
    _: KW_ONLY
    rows: bool
    """Store sparse layers by rows (small) instead of by columns (fast: zero inputs are skipped)."""
    vector: int = 1
    """Elements to which the dense kernel's inner loop is filled up with zeros."""
    chain: str = "int8_t"
    """Type of the small integers between the layers of an integer chain; float where that is fast:
    the compilers' vector code for floats rounds and clips in fewer instructions."""
    pairs: bool = False
    """Dense int8 kernels read four weights at a time, for processors that multiply two halves of a
    word at once (Cortex-M4, M7, M33 and later)."""
    wide_weights: bool = False
    """Store int8 weights of dense kernels with float sums as float: larger, twice as fast."""


HOST = Target(
    "host", 0.05, 0.04, 3500, 0.15, 0.07, rows=False, vector=64, chain="float", wide_weights=True
)
WASM = replace(
    HOST,
    name="wasm",
    unrolled_density_float=0.5,
    unrolled_density_integer=0.5,
    unrolled_terms=4000,
)
"""A browser makes quick code of straight lines and slow code of loops over int8: an actor of
916 weights took 0.7 us and not 7 (V8, `docs/commands/play.md`)."""
MICROCONTROLLER = Target("microcontroller", 0.0, 0.0, 0, 0.4, 0.4, rows=True, pairs=True)
