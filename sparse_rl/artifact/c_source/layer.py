"""A dense layer or a convolution as one C function."""

from __future__ import annotations

import numpy as np

from sparse_rl.artifact.c_source import convolution, dense
from sparse_rl.artifact.c_source.arithmetic import LayerText
from sparse_rl.artifact.c_source.target import Target
from sparse_rl.artifact.graph import Convolution, Dense

Shape = tuple[int, ...]


def _finish(text: LayerText, relu: bool, output: str) -> str:
    value = text.output_value.format(s="sum[i]", o=output)
    if not relu:
        return f"y[i] = {value};"
    return f"value = {value};\n            y[i] = value < 0 ? 0 : value;"  # nan stays nan


def dense_function(
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
    source = dense.source_element(kernel, integer, nonnegative, target, inputs)
    # Small integers are read where they are, but for the dense kernel, which wants them widened.
    direct = text.input_value == "{x}" and kernel != "full" and integer == (stream == "int8_t")
    if direct:
        source = stream
    product = dense.product(name, values, kernel, integer, source, target)
    element = "int32_t" if integer else "float"
    out = text.output_type or stream
    if layer.input_scale is not None and not direct:
        declared = f"    {source} q[{product.inputs}];\n"
        value = f"({source}){text.input_value.format(x='x[i]')}"
        filled = f"    for (i = 0; i < {inputs}; i++) q[i] = {value};\n"
        if kernel == "unrolled" and source == stream:
            filled = f"    {text.quantize.format(n=inputs)}\n"
        if product.inputs > inputs:
            filled += f"    for (i = {inputs}; i < {product.inputs}; i++) q[i] = 0;\n"
    else:
        declared, filled = f"    const {source} *q = x;\n", ""
        if not layer.weights.nonzero:  # then it is bias alone
            filled = "    (void)q;\n"
    second = ", k" if " k = 0" in product.statements or "(k = 0" in product.statements else ""
    value = f"    {out} value;\n" if relu else ""
    finish = _finish(text, relu, "i").replace("\n            ", "\n        ")
    code = (
        product.constants
        + f"\n/* Dense {inputs} -> {outputs}, {layer.weights.nonzero} weights, {kernel}. */\n"
        + f"static void {name}(const {stream} *x, {out} *y)\n{{\n"
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


def convolution_function(
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
    converted = text.input_value.format(x="x[k]")
    if integer:
        converted = f"({source}){converted}"
    value = f"    {stream} value;\n" if relu else ""
    finish = text.output_value.format(s=f"sum[i * {layout.pitch} + k]", o="c")
    store = f"*y++ = {finish};"
    if relu:
        store = f"value = {finish};\n                *y++ = value < 0 ? 0 : value;"
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
