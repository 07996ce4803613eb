"""C that reads an observation, in the numbers of the first layer, and calls all layers on it."""

from __future__ import annotations

import numpy as np

from sparse_rl.artifact.c_source.constants import array, real
from sparse_rl.artifact.c_source.program import Program
from sparse_rl.artifact.graph import Graph, Normalize, Rescale, layers
from sparse_rl.artifact.weights import StaticScale

_LARGEST_DIVISOR = 1 << 16
"""Up to it float32 holds quotients of a byte so well that none comes to lie halfway."""


def outputs_function(graph: Graph, program: Program) -> str:
    """`srl_outputs`: reads the observation into the first buffer, then calls the layers."""
    size = int(np.prod(graph.observation.shape))
    declared = "".join(
        f"    {program.stream} buffer_{k}[{elements}];\n"
        for k, elements in enumerate(program.buffer_sizes)
    )
    calls = "\n".join(program.calls)
    planes = len(graph.observation.shape) == 3
    check = ""
    if graph.observation.dtype == "float32":
        check = (
            f"    for (i = 0; i < {size}; i++)\n"
            "        finite &= observation[i] >= -FLT_MAX && observation[i] <= FLT_MAX;\n"
            "    if (!finite) return -1;\n"
        )
    if planes:
        height, width, channels = graph.observation.shape
        source = f"observation[k * {channels} + c]"
        loop = (
            f"    for (c = 0, i = 0; c < {channels}; c++)\n"
            f"    for (k = 0; k < {height * width}; k++, i++)"
        )
    else:
        source, loop = "observation[i]", f"    for (i = 0; i < {size}; i++)"
    finish = ""
    if not program.units:  # the last layer of an integer chain writes to `outputs` itself
        declared += f"    const {program.stream} *result;\n"
        finish = "\n    for (i = 0; i < SRL_OUTPUT_SIZE; i++) outputs[i] = result[i];"
        finish += (  # sums of huge numbers may overflow
            "\n    for (i = 0; i < SRL_OUTPUT_SIZE; i++)\n"
            "        finite &= outputs[i] >= -FLT_MAX && outputs[i] <= FLT_MAX;\n"
            "    if (!finite) return -1;"
        )
    read = f"        buffer_0[i] = {_observation_value(graph, source)};\n"
    constants, scaled = "", ""
    if program.units:
        constants, scaled, read = _first_input(graph, program.stream, source)
    return (
        constants
        + "int srl_outputs(const srl_observation *observation, float *outputs)\n{\n"
        + declared
        + scaled
        + ("    int finite = 1;\n" if check or not program.units else "")
        + f"    int i{', k, c' if planes else ''};\n"
        + check
        + f"{loop} {{\n{read}    }}\n"
        + calls
        + f"{finish}\n    return 0;\n}}\n\n"
    )


def _first_input(graph: Graph, stream: str, source: str) -> tuple[str, str, str]:
    """Constants, declarations and statements by which an integer chain reads element i."""
    scale = next(layers(graph.operations)).input_scale
    assert isinstance(scale, StaticScale)
    inverse = 1.0 / scale.scale
    value, first = _observation_value(graph, source), graph.operations[0]
    constants, declared, statements = "", "", ""
    if isinstance(first, Normalize):
        constants, statements = _normalized(first, value)
        declared, value = "    float scaled;\n", "scaled"
    elif isinstance(first, Rescale):
        constants = array("observation_factor", "float", first.factors * np.float32(inverse)) + "\n"
        value, inverse = f"{value} * observation_factor[i]", 1.0
    elif graph.observation.dtype != "float32" and inverse >= 1:
        # No quotient of a byte and its divisor lies halfway between two steps.
        divisor = round(graph.observation.divisor)
        twice = 2 * int(inverse)
        exact = divisor == graph.observation.divisor and divisor % 2
        if exact and divisor < _LARGEST_DIVISOR and 255 * twice + divisor < 1 << 31:
            call = f"bounded(({source} * {twice} + {divisor}) / {2 * divisor})"
            return "", "", f"        buffer_0[i] = ({stream}){call};\n"
    product = value if inverse == 1 else f"{value} * {real(np.float32(inverse))}"
    return (
        constants,
        declared,
        f"{statements}        buffer_0[i] = ({stream})nearest(clipped({product}));\n",
    )


def _normalized(normalize: Normalize, value: str) -> tuple[str, str]:
    """Constants, and statements that make `scaled` of an observation's element i."""
    mean, deviation = normalize.mean, normalize.deviation
    if mean.ndim == 3:
        mean, deviation = mean.transpose(2, 0, 1), deviation.transpose(2, 0, 1)
    limit = real(normalize.limit)
    return (
        array("observation_mean", "float", mean.ravel())
        + array("observation_deviation", "float", deviation.ravel())
        + "\n",
        f"        scaled = ({value} - observation_mean[i]) / observation_deviation[i];\n"
        f"        scaled = scaled > {limit} ? {limit} : scaled;\n"
        f"        scaled = scaled < -{limit} ? -{limit} : scaled;\n",
    )


def _observation_value(graph: Graph, source: str) -> str:
    number = source if graph.observation.dtype == "float32" else f"(float){source}"
    divisor = graph.observation.divisor
    return number if divisor == 1 else f"{number} / {real(divisor)}"
