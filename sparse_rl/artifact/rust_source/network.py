"""The layers of a network in Rust, and how an observation goes through them."""

from __future__ import annotations

from sparse_rl.architecture.operations import Flatten, MaxPool, Relu, Tanh
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
    layers,
)
from sparse_rl.artifact.integer_chain import units
from sparse_rl.artifact.rust_source.constants import array, real
from sparse_rl.artifact.rust_source.dense import chain_layer, float_layer
from sparse_rl.artifact.weights import StaticScale

ALLOWED = Dense | Relu | Tanh | Normalize | Rescale | Flatten
_MISSING = {
    Convolution: "convolution",
    MaxPool: "max pooling",
    LayerNorm: "layer norm",
    Residual: "residual sum",
}
_READ_IN_FLOATS = Normalize | Rescale


def refusal(graph: Graph) -> str | None:
    """Which operation Rust does not have, and those that it has; None where it has all."""
    for operation in graph.operations:
        if not isinstance(operation, ALLOWED):
            return (
                f"Rust has no {_MISSING[type(operation)]}; allowed: dense layers, ReLU, tanh, and "
                f"normalization"
            )
    return None


def network(graph: Graph) -> str:
    """network.rs: `outputs` of an observation, with a function for each layer.

    Raises ValueError for operations other than `ALLOWED`.
    """
    if problem := refusal(graph):
        raise ValueError(problem)
    chain = units(graph) or ()
    operations, code, steps = list(graph.operations), "", []
    if graph.observation.dtype == "float32":
        steps.append("if !all_finite(observation) {\n        return None;\n    }")
    steps.append(_in_floats(graph))
    if chain:
        if isinstance(operations[0], _READ_IN_FLOATS):
            code, step = _float_step(operations.pop(0), "READING")
            steps.append(step)
        scale = next(layers(graph.operations)).input_scale
        assert isinstance(scale, StaticScale)
        steps.append(f"let x = quantized(&x, {real(1.0 / scale.scale)});")
    number = 0
    for position, operation in enumerate(operations):
        if isinstance(operation, Dense):
            if chain:
                code += chain_layer(number, operation, chain[number])
            else:
                code += float_layer(number, operation)
            steps.append(f"let x = layer_{number}(&x);")
            number += 1
        elif not isinstance(operation, Flatten):  # an observation is flat in any case
            constants, step = _float_step(operation, f"OPERATION_{position}")
            code, steps = code + constants, [*steps, step]
    if not chain:  # sums of huge numbers may overflow
        steps.append("if !all_finite(&x) {\n        return None;\n    }")
    body = "\n".join(f"    {step}" for step in steps)
    return f"""\
//! The layers and their weights.

use crate::arithmetic::*;
use crate::{{Observation, OUTPUT_SIZE}};

{code}/// The last layer's outputs; nothing where a number is not finite.
pub fn outputs(observation: &Observation) -> Option<[f32; OUTPUT_SIZE]> {{
{body}
    Some(x)
}}
"""


def _in_floats(graph: Graph) -> str:
    """The statement by which the observation becomes floats."""
    floats = graph.observation.dtype == "float32"
    read = "value" if floats else "f32::from(value)"
    divisor = graph.observation.divisor
    if divisor != 1:
        return f"let x = observation.map(|value| {read} / {real(divisor)});"
    return "let x = *observation;" if floats else "let x = observation.map(f32::from);"


def _float_step(operation: Operation, name: str) -> tuple[str, str]:
    """Constants, and the statement for an operation on what lies between layers."""
    match operation:
        case Relu():
            return "", "let x = relu(x);"
        case Tanh():
            return "", "let x = tanh_of_each(x);"
        case Rescale():
            constants = array(f"{name}_FACTORS", "f32", operation.factors) + "\n"
            return constants, f"let x = rescaled(x, &{name}_FACTORS);"
        case Normalize(mean, _, _, limit):
            constants = array(f"{name}_MEAN", "f32", mean.ravel())
            constants += array(f"{name}_DEVIATION", "f32", operation.deviation.ravel()) + "\n"
            arrays = f"&{name}_MEAN, &{name}_DEVIATION"
            return constants, f"let x = normalized(x, {arrays}, {real(limit)});"
    raise TypeError(f"unknown operation {operation!r}")
