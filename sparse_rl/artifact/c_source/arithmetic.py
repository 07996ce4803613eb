"""C text for number conversion: reading observations, quantizing inputs, finishing sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparse_rl.artifact.c_source.constants import array, real, smallest_signed
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Layer
from sparse_rl.artifact.integer_chain import LayerUnits, whole_biases
from sparse_rl.artifact.weights import DynamicScale, StaticScale, inverse_of, largest_sum

_FEW_BITS = 2
"""Behind a shift by fewer bits values are always clipped: sums may have 24 of them."""
_NEAREST = 1 << 22
"""`nearest` takes what is smaller."""


@dataclass(frozen=True)
class LayerText:
    """How one layer converts its inputs and finishes its sums, as C."""

    constants: str
    prologue: str
    input_value: str
    """One quantized input; `{x}` stands for the element."""
    quantize: str
    """A call that quantizes `{n}` inputs into q; empty where inputs stay as they are."""
    output_value: str
    """One finished output; `{s}` stands for the sum, `{o}` for the output's index."""
    output_type: str = ""
    """Its type, where that is not the one of what lies between layers."""


def float_layer(name: str, layer: Layer, largest: str) -> LayerText:
    """Float sums, or int8 ones with a dynamic or a fixed scale; `largest` is C for max|input|."""
    constants = array(f"{name}_bias", "float", layer.bias)
    scale = layer.weights.scale
    finish = "{s}"
    prologue, value, call = "", "{x}", ""
    if isinstance(layer.input_scale, DynamicScale):
        floor = layer.input_scale.floor
        prologue = f"    float largest = {largest};\n"
        if floor > 0:
            prologue += f"    largest = largest < {real(floor)} ? {real(floor)} : largest;\n"
        prologue += (
            "    const float scale = scale_of(largest);\n"
            "    const float inverse = inverse_of(scale);\n"
        )
        value = "quantized({x} * inverse)"
        call = "quantize(x, {n}, inverse, q);"
        finish = "(float){s} * scale"
    elif isinstance(layer.input_scale, StaticScale):
        inverse = real(float(inverse_of(np.float32(layer.input_scale.scale))))
        value = f"nearest(clipped({{x}} * {inverse}))"
        call = f"quantize(x, {{n}}, {inverse}, q);"
        unit = unit_of(layer)
        if unit is not None:  # one exact product in place of two
            return LayerText(
                constants, "", value, call, f"(float){{s}} * {real(unit)} + {name}_bias[{{o}}]"
            )
        finish = f"(float){{s}} * {real(layer.input_scale.scale)}"
    if scale is not None:
        if len(scale) == 1:
            finish += f" * {real(scale[0])}"
        else:
            constants += array(f"{name}_scale", "float", scale)
            finish += f" * {name}_scale[{{o}}]"
    return LayerText(constants, prologue, value, call, f"{finish} + {name}_bias[{{o}}]")


def chain_layer(name: str, layer: Layer, numbers: LayerUnits, stream: str, relu: bool) -> LayerText:
    """int8 in, int32 sums, int8 out by a shift; floats out of the last layer of the chain.

    Where the `stream` between layers is of floats, these hold the same small integers. A ReLU
    behind the layer is a bound of what comes out.
    """
    biases = whole_biases(layer, numbers)
    in_floats = stream == "float"
    constants = array(f"{name}_bias", "float" if in_floats else smallest_signed(biases), biases)
    total = f"{{s}} + {name}_bias[{{o}}]"
    if numbers.shift is None:
        back = f"({total})" if in_floats else f"(float)({total})"
        return LayerText(constants, "", "{x}", "", f"{back} * {real(numbers.unit)}", "float")
    bound = "positive" if relu else "bounded"
    if in_floats:
        product = f"({total}) * {real(2.0**-numbers.shift)}"
        largest = largest_sum(layer.weights.values) + int(np.abs(biases).max(initial=0))
        fits = largest < _NEAREST * 2.0**numbers.shift
        value = product if numbers.shift >= _FEW_BITS and fits else f"clipped({product})"
        return LayerText(constants, "", "{x}", "", f"(float){bound}(nearest({value}))")
    if numbers.shift > 0:
        value = f"shifted({total}, {numbers.shift})"
    else:
        value = f"bounded({total}) * {1 << min(7, -numbers.shift)}"
    return LayerText(constants, "", "{x}", "", f"{bound}({value})")
