"""Max pooling as one C function."""

from __future__ import annotations

from sparse_rl.architecture.operations import MaxPool
from sparse_rl.architecture.shapes import padding_before_and_after

Shape = tuple[int, ...]


def max_pool_function(
    name: str, stream: str, whole: bool, operation: MaxPool, shape: Shape, after: Shape
) -> str:
    """`name`(x, y) on planes of `stream`: the largest of each column first, then along the row.

    Both loops run over neighbours, which compilers turn into vector instructions. `whole` says that
    all elements are whole numbers; others may be nan, which is then the largest.
    """

    def larger(one: str, other: str) -> str:
        larger = f"{one} > {other} ? {one} : {other}"
        return larger if whole else f"{one} == {one} ? ({larger}) : {one}"

    height, width, channels = shape
    rows, columns, _ = after
    (window_rows, window_columns), (step_rows, step_columns) = operation.window, operation.strides
    top = padding_before_and_after(height, window_rows, step_rows, operation.padding)[0]
    left = padding_before_and_after(width, window_columns, step_columns, operation.padding)[0]
    # What a window reads beyond an edge is the element at the edge, which is in the window too.
    length = max((columns - 1) * step_columns + window_columns, left + width)
    return (
        f"static void {name}(const {stream} *x, {stream} *y)\n{{\n"
        f"    {stream} largest[{length}];\n"
        "    int c, i, k, n, row;\n"
        f"    for (c = 0; c < {channels}; c++, x += {height * width}) {{\n"
        f"        for (i = 0; i < {rows}; i++) {{\n"
        f"            const int first = i * {step_rows} > {top} ? i * {step_rows} - {top} : 0;\n"
        f"            const int last = i * {step_rows} - {top} + {window_rows} < {height}"
        f" ? i * {step_rows} - {top} + {window_rows} : {height};\n"
        f"            {stream} *const column = largest + {left};\n"
        f"            for (k = 0; k < {width}; k++) column[k] = x[first * {width} + k];\n"
        "            for (row = first + 1; row < last; row++) {\n"
        f"                const {stream} *const other = x + row * {width};\n"
        f"                for (k = 0; k < {width}; k++) {{\n"
        f"                    column[k] = {larger('other[k]', 'column[k]')};\n"
        "                }\n            }\n"
        f"            for (k = 0; k < {left}; k++) largest[k] = column[0];\n"
        f"            for (k = {left + width}; k < {length}; k++)"
        f" largest[k] = column[{width - 1}];\n"
        f"            for (k = 0; k < {columns}; k++) {{\n"
        f"                {stream} value = largest[k * {step_columns}];\n"
        f"                for (n = 1; n < {window_columns}; n++) {{\n"
        f"                    const {stream} next = largest[k * {step_columns} + n];\n"
        f"                    value = {larger('next', 'value')};\n"
        "                }\n"
        "                *y++ = value;\n"
        "            }\n        }\n    }\n}\n\n"
    )
