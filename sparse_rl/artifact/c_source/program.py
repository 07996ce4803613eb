"""A graph as one C99 translation unit: a function per operation, and `srl_outputs` that calls
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sparse_rl.architecture.shapes import padding_before_and_after
from sparse_rl.artifact.c_source import convolution, dense
from sparse_rl.artifact.c_source.arithmetic import LayerText, fixed_layer, float_layer
from sparse_rl.artifact.c_source.target import Target
from sparse_rl.artifact.fixed_point import FixedPoint, LayerArithmetic
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    DynamicScale,
    Flatten,
    Graph,
    MaxPool,
    Operation,
    Relu,
    Residual,
    shape_after,
)

Shape = tuple[int, ...]


@dataclass
class Program:
    """C text in the order in which it is written."""

    stream: str
    """Element type between layers: float, or int32_t for the integer path."""
    target: Target
    arithmetic: list[LayerArithmetic]
    functions: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    buffer_sizes: list[int] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)
    layers: int = 0

    def take(self, size: int) -> int:
        """A buffer of at least `size` elements."""
        if not self.free:
            self.buffer_sizes.append(0)
            self.free.append(len(self.buffer_sizes) - 1)
        slot = self.free.pop()
        self.buffer_sizes[slot] = max(self.buffer_sizes[slot], size)
        return slot


def compile_graph(graph: Graph, fixed: FixedPoint | None, target: Target) -> Program:
    """Functions, calls and buffers for a graph; buffer 0 holds the observation, the last call's
    result is in the buffer that its text names `result`.
    """
    program = Program(
        "int32_t" if fixed else "float", target, list(fixed.arithmetic) if fixed else []
    )
    slot = program.take(int(np.prod(graph.observation.shape)))
    signed = graph.observation.dtype == "float32"
    result = _operations(program, graph.operations, slot, graph.observation.shape, not signed)
    program.calls.append(f"    result = buffer_{result};")
    return program


def _operations(
    program: Program,
    operations: tuple[Operation, ...],
    slot: int,
    shape: Shape,
    nonnegative: bool,
    keep: bool = False,
) -> int:
    """Emit the operations on buffer `slot`, return the buffer of the result; `keep` leaves `slot`
    be.
    """
    position = 0
    first = slot
    planes_shape: Shape = shape
    while position < len(operations):
        operation = operations[position]
        after = shape_after(operation, shape)
        following = operations[position + 1] if position + 1 < len(operations) else None
        if isinstance(operation, Dense | Convolution):
            fused = isinstance(following, Relu)
            out = program.take(int(np.prod(after)))
            name = _layer(program, operation, shape, planes_shape, nonnegative, fused)
            program.calls.append(f"    {name}(buffer_{slot}, buffer_{out});")
            nonnegative = fused
            position += fused
        elif isinstance(operation, Relu):
            out = slot if not (keep and slot == first) else program.take(int(np.prod(after)))
            program.calls.append(
                f"    for (i = 0; i < {int(np.prod(shape))}; i++)\n"
                f"        buffer_{out}[i] = buffer_{slot}[i] > 0 ? buffer_{slot}[i] : 0;"
            )
            nonnegative = True
        elif isinstance(operation, MaxPool):
            out = program.take(int(np.prod(after)))
            name = _max_pool(program, operation, shape, after)
            program.calls.append(f"    {name}(buffer_{slot}, buffer_{out});")
        elif isinstance(operation, Flatten):
            # Planes stay where they are: the next dense layer's weights are reordered instead.
            planes_shape, shape = shape, after
            position += 1
            continue
        elif isinstance(operation, Residual):
            out = _operations(program, operation.body, slot, shape, nonnegative, keep=True)
            if out == slot:
                raise ValueError("a residual body needs at least one operation")
            add = f"buffer_{out}[i] + buffer_{slot}[i]"
            total = add if program.stream == "float" else f"limited((int64_t){add})"
            program.calls.append(
                f"    for (i = 0; i < {int(np.prod(shape))}; i++)\n"
                f"        buffer_{out}[i] = {total};"
            )
            nonnegative = False
        else:
            raise TypeError(f"unknown operation {operation!r}")
        if out != slot and not (keep and slot == first):
            program.free.append(slot)
        slot, shape = out, after
        planes_shape = shape
        position += 1
    return slot


def _layer(
    program: Program,
    layer: Dense | Convolution,
    shape: Shape,
    planes_shape: Shape,
    nonnegative: bool,
    relu: bool,
) -> str:
    index = program.layers
    program.layers += 1
    name = f"layer_{index}"
    integer = layer.input_scale is not None
    if program.arithmetic:
        text = fixed_layer(name, program.arithmetic[index])
    else:
        text = float_layer(name, layer, _largest(layer, shape))
    stream, target = program.stream, program.target
    common = (stream, target, text, integer, nonnegative, relu)
    if isinstance(layer, Dense):
        code, kernel = _dense(name, layer, planes_shape, *common)
    else:
        code, kernel = _convolution(name, layer, planes_shape, *common)
    program.functions.append(text.constants + code)
    program.kernels.append(kernel)
    return name


def _largest(layer: Dense | Convolution, shape: Shape) -> str:
    if not isinstance(layer.input_scale, DynamicScale):
        return ""
    return f"largest_magnitude(x, {int(np.prod(shape))})"


def _finish(text: LayerText, relu: bool, output: str) -> str:
    value = text.output_value.format(s="sum[i]", o=output)
    if not relu:
        return f"y[i] = {value};"
    return f"value = {value};\n            y[i] = value > 0 ? value : 0;"


def _dense(
    name: str,
    layer: Dense,
    planes_shape: Shape,
    stream: str,
    target: Target,
    text: LayerText,
    integer: bool,
    nonnegative: bool,
    relu: bool,
) -> tuple[str, str]:
    values = _in_plane_order(layer.weights.values, planes_shape)
    inputs, outputs = values.shape
    kernel = dense.choose(values, integer, target)
    if kernel == "unrolled" and stream == "float" and dense.exact_in_float(values):
        # Whole numbers below 2^24: the same sums, and compilers schedule float literals better.
        integer = False
    source = dense.source_element(kernel, integer, nonnegative)
    product = dense.product(name, values, kernel, integer, source, target)
    element = "int32_t" if integer else "float"
    if layer.input_scale is not None:
        declared = f"    {source} q[{product.inputs}];\n"
        value = f"({source}){text.input_value.format(x='x[i]')}"
        filled = f"    for (i = 0; i < {inputs}; i++) q[i] = {value};\n"
        if kernel == "unrolled" and source == stream:
            filled = f"    {text.quantise.format(n=inputs)}\n"
        if product.inputs > inputs:
            filled += f"    for (i = {inputs}; i < {product.inputs}; i++) q[i] = 0;\n"
    else:
        declared, filled = f"    const {source} *q = x;\n", ""
    second = ", k" if " k = 0" in product.statements or "(k = 0" in product.statements else ""
    value = f"    {stream} value;\n" if relu else ""
    finish = _finish(text, relu, "i").replace("\n            ", "\n        ")
    code = (
        product.constants
        + f"\n/* Dense {inputs} -> {outputs}, {layer.weights.nonzero} weights, {kernel}. */\n"
        + f"static void {name}(const {stream} *x, {stream} *y)\n{{\n"
        + text.prologue
        + declared
        + f"    {element} sum[{product.outputs}];\n"
        + value
        + f"    int i{second};\n"
        + product.declarations
        + filled
        + product.statements
        + f"\n    for (i = 0; i < {outputs}; i++) {{\n        {finish}\n    }}\n}}\n\n"
    )
    return code, kernel


def _in_plane_order(values: np.ndarray, planes_shape: Shape) -> np.ndarray:
    """Rows (height, width, channel) of a kernel after Flatten, as (channel, height, width)."""
    if len(planes_shape) != 3:
        return values
    rows = values.reshape(*planes_shape, values.shape[1])
    return rows.transpose(2, 0, 1, 3).reshape(values.shape)


def _convolution(
    name: str,
    layer: Convolution,
    shape: Shape,
    stream: str,
    target: Target,
    text: LayerText,
    integer: bool,
    nonnegative: bool,
    relu: bool,
) -> tuple[str, str]:
    layout = convolution.planes(layer, shape)
    source = ("uint8_t" if nonnegative else "int8_t") if integer else "float"
    product = convolution.product(name, layer.weights.values, layout, integer, source)
    converted = text.input_value.format(x="*x")
    if integer:
        converted = f"({source}){converted}"
    value = f"    {stream} value;\n" if relu else ""
    finish = text.output_value.format(s=f"sum[i * {layout.pitch} + k]", o="c")
    store = f"*y++ = {finish};"
    if relu:
        store = f"value = {finish};\n                *y++ = value > 0 ? value : 0;"
    window = layer.weights.values.shape
    code = (
        product.constants
        + f"\n/* Convolution {window[0]} x {window[1]}, {window[2]} -> {window[3]} channels, "
        + f"{layer.weights.nonzero} weights. */\n"
        + f"static void {name}(const {stream} *x, {stream} *y)\n{{\n"
        + text.prologue
        + f"    {source} q[{layout.size}];\n"
        + f"    {'int32_t' if integer else 'float'} sum[{layout.run}];\n"
        + value
        + "    int i, k, c;\n"
        + product.declarations
        + convolution.copy_into_planes(layout, source, converted)
        + f"\n    for (c = 0; c < {layout.outputs}; c++) {{\n"
        + product.statements
        + f"\n        for (i = 0; i < {layout.rows}; i++) {{\n"
        + f"            for (k = 0; k < {layout.columns}; k++) {{\n                {store}\n"
        + "            }\n        }\n    }\n}\n\n"
    )
    return code, "taps"


def _max_pool(program: Program, operation: MaxPool, shape: Shape, after: Shape) -> str:
    name = f"max_pool_{len(program.functions)}"
    height, width, channels = shape
    rows, columns, _ = after
    (window_rows, window_columns), (step_rows, step_columns) = operation.window, operation.strides
    top = padding_before_and_after(height, window_rows, step_rows, operation.padding)[0]
    left = padding_before_and_after(width, window_columns, step_columns, operation.padding)[0]
    program.functions.append(
        f"static void {name}(const {program.stream} *x, {program.stream} *y)\n{{\n"
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
    return name
