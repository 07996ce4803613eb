"""A dense layer as a Rust function: its weights, how it reads its input and finishes its sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Dense
from sparse_rl.artifact.integer_chain import LayerUnits, whole_biases
from sparse_rl.artifact.rust_source.constants import (
    array,
    real,
    slice_of,
    smallest_signed,
    smallest_unsigned,
)
from sparse_rl.artifact.weights import DynamicScale, StaticScale, inverse_of

_DENSE = 0.4
"""Share of weights from which on all of them are stored, as in C for a microcontroller."""


def float_layer(number: int, layer: Dense) -> str:
    """Floats in and out; sums of floats, or of int8 products with a dynamic or a fixed scale."""
    inputs, _ = layer.weights.values.shape
    name = f"LAYER_{number}"
    constants = array(f"{name}_BIAS", "f32", layer.bias)
    scale, unit = layer.weights.scale, unit_of(layer)
    statements, finish, source, total = "", "sum", "x", "f32"
    if isinstance(layer.input_scale, DynamicScale):
        statements = (
            f"    let scale = scale_of(largest_magnitude(x, {real(layer.input_scale.floor)}));\n"
            f"    let q: [i8; {inputs}] = quantized(x, inverse_of(scale));\n"
        )
        finish, source, total = "sum as f32 * scale", "&q", "i32"
    elif isinstance(layer.input_scale, StaticScale):
        inverse = real(float(inverse_of(np.float32(layer.input_scale.scale))))
        statements = f"    let q: [i8; {inputs}] = quantized(x, {inverse});\n"
        factor = layer.input_scale.scale if unit is None else unit
        finish, source, total = f"sum as f32 * {real(factor)}", "&q", "i32"
    if scale is not None and unit is None:
        if len(scale) == 1:
            finish += f" * {real(scale[0])}"
        else:
            constants += array(f"{name}_SCALE", "f32", scale)
            finish += f" * {name}_SCALE[o]"
    finish = f"{finish} + {name}_BIAS[o]"
    return constants + _function(number, layer, ("f32", "f32"), statements, source, total, finish)


def chain_layer(number: int, layer: Dense, numbers: LayerUnits) -> str:
    """int8 in and, by a shift, int8 out; floats out of the last layer of the chain."""
    biases = whole_biases(layer, numbers)
    name = f"LAYER_{number}_BIAS"
    total = f"sum + {_widened(f'{name}[o]', biases)}"
    if numbers.shift is None:
        kind, finish = "f32", f"({total}) as f32 * {real(numbers.unit)}"
    else:
        kind, finish = "i8", f"shifted({total}, {numbers.shift})"
    return array(name, smallest_signed(biases), biases) + _function(
        number, layer, ("i8", kind), "", "x", "i32", finish
    )


def _widened(element: str, values: NDArray[np.integer]) -> str:
    return element if smallest_signed(values) == "i32" else f"i32::from({element})"


def _function(
    number: int,
    layer: Dense,
    types: tuple[str, str],
    statements: str,
    source: str,
    total: str,
    finish: str,
) -> str:
    """`layer_NUMBER`, whose `types` are those of its inputs and outputs, and its weights."""
    inputs, outputs = layer.weights.values.shape
    return f"""{_weights(number, layer.weights.values)}
/// Dense {inputs} -> {outputs}, {layer.weights.nonzero} weights.
fn layer_{number}(x: &[{types[0]}; {inputs}]) -> [{types[1]}; {outputs}] {{
    let mut y = [Default::default(); {outputs}];
{statements}    LAYER_{number}.sums({source}, |o, sum: {total}| y[o] = {finish});
    y
}}

"""


def _weights(number: int, values: NDArray) -> str:
    inputs, outputs = values.shape
    weight = "f32" if values.dtype == np.float32 else "i8"
    if np.count_nonzero(values) > _DENSE * values.size:
        weights = slice_of(weight, values.T.ravel())
        return f"static LAYER_{number}: Full<{weight}> = Full {{ weights: {weights} }};\n"
    found = [np.flatnonzero(values[:, output]) for output in range(outputs)]
    alive = np.concatenate([values[rows, output] for output, rows in enumerate(found)])
    counts = [len(rows) for rows in found]
    count, index = smallest_unsigned(max(counts, default=0)), smallest_unsigned(inputs - 1)
    return (
        f"static LAYER_{number}: Sparse<{count}, {index}, {weight}> = Sparse {{\n"
        f"counts: {slice_of(count, counts)},\n"
        f"inputs: {slice_of(index, np.concatenate(found))},\n"
        f"weights: {slice_of(weight, alive)},\n}};\n"
    )
