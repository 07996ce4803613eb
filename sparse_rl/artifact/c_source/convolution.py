"""C for the product of a convolution: sum[o, y, x] over its taps.

Images are planes (channel, row, column) in C. The padded input is split into stride x stride
phases, so that every tap of every stride reads a contiguous run: with a plane of pitch P, the sum
for output (y, x) lies at y * P + x, and one tap is `sum[n] += weight * q[offset + n]` over one run
of constant length. Sparse kernels store (offset, weight) per surviving tap, dense ones share one
table of offsets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.shapes import padding_before_and_after
from sparse_rl.artifact.c_source.constants import array, smallest_unsigned
from sparse_rl.artifact.c_source.dense import Product
from sparse_rl.artifact.graph import Convolution, shape_after

_TAP_STEP = 4
_DENSE = 0.5


@dataclass(frozen=True)
class Planes:
    """Layout of a layer's quantized or copied input and of its sums."""

    height: int
    width: int
    channels: int
    padded_height: int
    padded_width: int
    before: tuple[int, int]
    strides: tuple[int, int]
    rows: int
    columns: int
    outputs: int

    @property
    def pitch(self) -> int:
        return self.padded_width // self.strides[1]

    @property
    def plane(self) -> int:
        return (self.padded_height // self.strides[0]) * self.pitch

    @property
    def size(self) -> int:
        return self.channels * self.padded_height * self.padded_width

    @property
    def run(self) -> int:
        """Elements from one channel's first output to its last, with the gaps between rows."""
        return (self.rows - 1) * self.pitch + self.columns

    def offset(self, channel: int, row: int, column: int) -> int:
        """Where a tap's run starts."""
        phases = self.strides[0] * self.strides[1]
        phase = (row % self.strides[0]) * self.strides[1] + column % self.strides[1]
        start = (channel * phases + phase) * self.plane
        return start + (row // self.strides[0]) * self.pitch + column // self.strides[1]


def planes(layer: Convolution, shape: tuple[int, ...]) -> Planes:
    """The layout for an input of `shape` (height, width, channels)."""
    height, width, channels = shape
    rows, columns, outputs = shape_after(layer, shape)
    window = layer.weights.values.shape[:2]
    around = [
        padding_before_and_after(shape[axis], window[axis], layer.strides[axis], layer.padding)
        for axis in (0, 1)
    ]
    padded = [
        -(-(shape[axis] + sum(around[axis])) // layer.strides[axis]) * layer.strides[axis]
        for axis in (0, 1)
    ]
    before = (around[0][0], around[1][0])
    return Planes(
        height, width, channels, padded[0], padded[1], before, layer.strides, rows, columns, outputs
    )


def copy_into_planes(layout: Planes, element: str, converted: str) -> str:
    """Statements that fill q from the planes x; `converted` is C for one element x[k] of a row.

    Of a row, each phase is written by itself: runs of neighbours, and no quotient for an element.
    """
    s, t = layout.strides
    top, left = layout.before
    if (s, t) == (1, 1):
        row = (
            f"            {element} *const row = plane + (i + {top}) * {layout.pitch} + {left};\n"
            f"            for (k = 0; k < {layout.width}; k++) row[k] = {converted};\n"
        )
    else:
        row = (
            f"            {element} *const row = plane + (i + {top}) % {s} * {t * layout.plane}\n"
            f"                + (i + {top}) / {s} * {layout.pitch};\n"
            "            int n;\n"
            f"            for (n = 0; n < {t}; n++) {{\n"
            f"                {element} *to = row + (n + {left}) % {t} * {layout.plane}"
            f" + (n + {left}) / {t};\n"
            f"                for (k = n; k < {layout.width}; k += {t}) *to++ = {converted};\n"
            "            }\n"
        )
    return (
        f"    memset(q, 0, sizeof q);\n"
        f"    for (c = 0; c < {layout.channels}; c++) {{\n"
        f"        {element} *plane = q + c * {s * t * layout.plane};\n"
        f"        for (i = 0; i < {layout.height}; i++, x += {layout.width}) {{\n"
        f"{row}"
        "        }\n    }"
    )


def product(name: str, values: NDArray, layout: Planes, integer: bool, source: str) -> Product:
    """C that computes `sum` [run] of output channel `c`; `i, k, c` are declared by the caller."""
    element = "int32_t" if integer else "float"
    weight = "float" if values.dtype == np.float32 else "int8_t"
    height, width, inputs, outputs = values.shape
    every = [(y, x, i) for y in range(height) for x in range(width) for i in range(inputs)]
    offsets = np.array([layout.offset(i, y, x) for y, x, i in every])
    matrix = values.reshape(-1, outputs)
    index = smallest_unsigned(int(offsets.max(initial=0)))
    if np.count_nonzero(matrix) > _DENSE * matrix.size:
        taps = -(-len(every) // _TAP_STEP) * _TAP_STEP
        extra = taps - len(every)
        offsets = np.concatenate([offsets, np.repeat(offsets[-1:], extra)])
        matrix = np.concatenate([matrix, np.zeros((extra, outputs), matrix.dtype)])
        constants = array(f"{name}_offset", index, offsets)
        constants += array(f"{name}_weight", weight, matrix.T.ravel())
        start = (
            f"        const {index} *t = {name}_offset;\n"
            f"        const {weight} *w = {name}_weight + {taps} * c;\n"
        )
        count, advance = str(taps), ""
    else:
        counts, chosen, weights = _surviving_taps(matrix, offsets)
        constants = array(f"{name}_count", smallest_unsigned(max(counts, default=0)), counts)
        constants += array(f"{name}_offset", index, chosen)
        constants += array(f"{name}_weight", weight, weights)
        start = ""
        count = f"{name}_count[c]"
        advance = f"    const {index} *t = {name}_offset;\n    const {weight} *w = {name}_weight;\n"
    terms = "\n                    + ".join(
        f"({element})w[{n}] * q{n}[i]" for n in range(_TAP_STEP)
    )
    sources = "".join(f"            const {source} *q{n} = q + t[{n}];\n" for n in range(_TAP_STEP))
    statements = (
        start + f"        memset(sum, 0, sizeof sum);\n"
        f"        for (k = 0; k < {count}; "
        f"k += {_TAP_STEP}, t += {_TAP_STEP}, w += {_TAP_STEP}) {{\n"
        f"{sources}"
        f"            for (i = 0; i < {layout.run}; i++) {{\n"
        f"                sum[i] += {terms};\n"
        "            }\n        }"
    )
    return Product(constants, advance, statements, layout.size, layout.run)


def _surviving_taps(matrix: NDArray, offsets: NDArray) -> tuple[list[int], list[int], list[float]]:
    """Taps per output channel, filled up with zero weights to a multiple of the step."""
    counts: list[int] = []
    chosen: list[int] = []
    weights: list[float] = []
    for output in range(matrix.shape[1]):
        found = np.flatnonzero(matrix[:, output])
        extra = -len(found) % _TAP_STEP
        counts.append(len(found) + extra)
        chosen.extend([*offsets[found], *([offsets[found[-1]]] * extra if len(found) else [])])
        weights.extend([*matrix[found, output], *([0] * extra)])
    return counts, chosen, weights
