"""Max pooling as one C function."""

from __future__ import annotations

from sparse_rl.architecture.operations import MaxPool
from sparse_rl.architecture.shapes import padding_before_and_after

Shape = tuple[int, ...]


def max_pool_function(
    name: str, stream: str, operation: MaxPool, shape: Shape, after: Shape
) -> str:
    """`name`(x, y) on planes of `stream`."""
    height, width, channels = shape
    rows, columns, _ = after
    (window_rows, window_columns), (step_rows, step_columns) = operation.window, operation.strides
    top = padding_before_and_after(height, window_rows, step_rows, operation.padding)[0]
    left = padding_before_and_after(width, window_columns, step_columns, operation.padding)[0]
    return (
        f"static void {name}(const {stream} *x, {stream} *y)\n{{\n"
        "    int c, i, k, row, column;\n"
        f"    for (c = 0; c < {channels}; c++, x += {height * width}) {{\n"
        f"        for (i = 0; i < {rows}; i++) {{\n"
        f"            const int last_row = i * {step_rows} - {top} + {window_rows} < {height}"
        f" ? i * {step_rows} - {top} + {window_rows} : {height};\n"
        f"            for (k = 0; k < {columns}; k++) {{\n"
        f"                const int last_column = k * {step_columns} - {left} + {window_columns}"
        f" < {width} ? k * {step_columns} - {left} + {window_columns} : {width};\n"
        f"                row = i * {step_rows} > {top} ? i * {step_rows} - {top} : 0;\n"
        f"                *y = x[row * {width} + "
        f"(k * {step_columns} > {left} ? k * {step_columns} - {left} : 0)];\n"
        "                for (; row < last_row; row++) {\n"
        f"                    column = k * {step_columns} > {left}"
        f" ? k * {step_columns} - {left} : 0;\n"
        "                    for (; column < last_column; column++) {\n"
        f"                        if (x[row * {width} + column] > *y)"
        f" *y = x[row * {width} + column];\n"
        "                    }\n                }\n                y++;\n"
        "            }\n        }\n    }\n}\n\n"
    )
