"""The files of a C artifact: srl_actor.h, srl_actor.c, main.c and Makefile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl import atomic_file
from sparse_rl.architecture.operations import ArgMax, Squash
from sparse_rl.artifact.c_source.arithmetic import (
    DOT_TYPES,
    DYNAMIC_QUANTISE,
    FIXED_FUNCTIONS,
    FIXED_QUANTISE,
    FUNCTIONS,
    STATIC_QUANTISE,
)
from sparse_rl.artifact.c_source.constants import array, real
from sparse_rl.artifact.c_source.header import header
from sparse_rl.artifact.c_source.main_program import MAKEFILE, main_program
from sparse_rl.artifact.c_source.program import Program, compile_graph
from sparse_rl.artifact.c_source.selftest import selftest
from sparse_rl.artifact.c_source.stack import stack_bytes
from sparse_rl.artifact.c_source.target import HOST, Target
from sparse_rl.artifact.fixed_point import STREAM_LIMIT, FixedPoint, reads_floats_by
from sparse_rl.artifact.graph import Graph, Normalize, Rescale, layers
from sparse_rl.artifact.weights import StaticScale

FLAGS = ("-std=c99", "-O3", "-ffp-contract=off")


@dataclass(frozen=True)
class Source:
    """File contents by name, and what was decided on the way."""

    files: dict[str, str]
    kernels: tuple[str, ...]
    """The kernel of every layer."""
    stack_bytes: int
    """Bytes of the arrays on the stack of `srl_act`: between layers, and of the largest layer."""

    def with_prefix(self, prefix: str) -> Source:
        """The same with PREFIX in place of SRL in all names, so that several actors can be linked.

        Raises ValueError where it is no C identifier in lower case.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", prefix):
            raise ValueError(
                f"prefix: found {prefix!r}; allowed: a lower-case letter, then at most 30 more, "
                f"digits and _"
            )

        def renamed(text: str) -> str:
            text = re.sub(r"\bSRL_", f"{prefix.upper()}_", text)
            return re.sub(r"\b(lib)?srl_", rf"\g<1>{prefix}_", text)

        files = {renamed(name): renamed(text) for name, text in self.files.items()}
        return replace(self, files=files)

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            atomic_file.write_text(directory / name, text)


def generate(
    graph: Graph | FixedPoint,
    target: Target = HOST,
    title: str = "",
    notes: Sequence[str] = (),
    known: tuple[NDArray, NDArray] | None = None,
) -> Source:
    """C99 for a graph, or for a FixedPoint.

    The header begins with the title and the notes. `known` are observations and their actions, of
    which a self-test is made.
    """
    fixed = graph if isinstance(graph, FixedPoint) else None
    plain = graph.graph if isinstance(graph, FixedPoint) else graph
    program = compile_graph(plain, fixed, target)
    body = _body(plain, fixed, program)
    stack = stack_bytes(body, plain.output_shape[0])
    files = {
        "srl_actor.h": header(plain, title, notes, stack),
        "srl_actor.c": body,
        "main.c": main_program(plain),
        "Makefile": MAKEFILE,
    }
    if known is not None:
        files["srl_selftest.c"] = selftest(plain, *known)
    return Source(files, tuple(program.kernels), stack)


def _body(graph: Graph, fixed: FixedPoint | None, program: Program) -> str:
    static = any(isinstance(layer.input_scale, StaticScale) for layer in layers(graph.operations))
    includes = ["float.h", "stddef.h", "stdint.h", "string.h"]
    functions = "".join(program.functions)
    if isinstance(graph.output, Squash) or "sqrtf(" in functions or "tanhf(" in str(program.calls):
        includes.append("math.h")
    text = '#include "srl_actor.h"\n\n'
    text += "".join(f"#include <{name}>\n" for name in sorted(includes))
    text += """
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

"""
    called = ""
    if "dot_unsigned" in functions or "dot_signed" in functions:
        called += DOT_TYPES
    if "quantize(x" in functions:
        called += FIXED_QUANTISE if fixed else STATIC_QUANTISE if static else DYNAMIC_QUANTISE
    rest = called + functions + _outputs(graph, fixed, program) + _act(graph) + _BATCH
    if fixed:
        return text + FIXED_FUNCTIONS + rest
    return text + _functions_called_in(rest) + rest


def _functions_called_in(code: str) -> str:
    """Those of the common functions whose names are called, also by each other."""
    found: list[str] = []
    for name in reversed(list(FUNCTIONS)):
        if f"{name}(" in code + "".join(found):
            found.insert(0, FUNCTIONS[name])
    return "".join(found)


def _outputs(graph: Graph, fixed: FixedPoint | None, program: Program) -> str:
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
        source = f"observation[(i % {height * width}) * {channels} + i / {height * width}]"
    else:
        source = "observation[i]"
    value = _observation_value(graph, fixed, source)
    back = "result[i]" if not fixed else f"(float)result[i] * {real(fixed.unit)}"
    finish = f"\n    for (i = 0; i < SRL_OUTPUT_SIZE; i++) outputs[i] = {back};"
    declared += f"    const {program.stream} *result;\n"
    read = f"        buffer_0[i] = {value};\n"
    scaled = ""
    normalize = reads_floats_by(graph)
    constants = ""
    if fixed and (graph.observation.dtype == "float32" or normalize):
        limit = real(float(STREAM_LIMIT))
        scaled = "    float scaled;\n"
        if normalize:
            constants, normalized = _normalized(normalize, _observation_value(graph, None, source))
            converted = normalized + f"        scaled *= {real(np.float32(1.0 / fixed.unit))};\n"
        else:
            factor = real(np.float32(1.0 / (graph.observation.divisor * fixed.unit)))
            converted = f"        scaled = {source} * {factor};\n"
        read = (
            f"{converted}"
            f"        scaled = scaled > {limit} ? {limit} : scaled;\n"
            f"        scaled = scaled < -{limit} ? -{limit} : scaled;\n"
            "        buffer_0[i] = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f));\n"
        )
    if program.units:
        finish = ""
        declared = declared.rpartition("    const")[0]
        constants, scaled, read = _first_input(graph, program.stream, source)
    return (
        constants
        + "int srl_outputs(const srl_observation *observation, float *outputs)\n{\n"
        + declared
        + scaled
        + ("    int finite = 1;\n" if check else "")
        + "    int i;\n"
        + check
        + f"    for (i = 0; i < {size}; i++) {{\n{read}    }}\n"
        + calls
        + f"{finish}\n    return 0;\n}}\n\n"
    )


def _first_input(graph: Graph, stream: str, source: str) -> tuple[str, str, str]:
    """Constants, declarations and statements by which an integer chain reads element i."""
    scale = next(layers(graph.operations)).input_scale
    assert isinstance(scale, StaticScale)
    inverse = 1.0 / scale.scale
    value, first = _observation_value(graph, None, source), graph.operations[0]
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
        exact = divisor == graph.observation.divisor and divisor % 2
        if exact:
            twice = 2 * int(inverse)
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


def _observation_value(graph: Graph, fixed: FixedPoint | None, source: str) -> str:
    if fixed:
        return f"{source} * {fixed.pixel_multiplier}"
    number = source if graph.observation.dtype == "float32" else f"(float){source}"
    divisor = graph.observation.divisor
    return number if divisor == 1 else f"{number} / {real(divisor)}"


_BATCH = """\

int srl_act_batch(const srl_observation *observations, srl_action *actions, int n)
{
    int k;
    for (k = 0; k < n; k++) {
        if (srl_act(observations + (size_t)k * SRL_OBSERVATION_SIZE,
                    actions + (size_t)k * SRL_ACTION_SIZE)) break;
    }
    return k;
}
"""


def _act(graph: Graph) -> str:
    if isinstance(graph.output, ArgMax):
        return """\
int srl_act(const srl_observation *observation, int *action)
{
    float outputs[SRL_OUTPUT_SIZE];
    int i, best = 0;
    if (srl_outputs(observation, outputs)) return -1;
    for (i = 1; i < SRL_OUTPUT_SIZE; i++) {
        if (outputs[i] > outputs[best]) best = i;
    }
    *action = best;
    return 0;
}
"""
    bounded = (
        "tanhf(outputs[i])"
        if isinstance(graph.output, Squash)
        else "(outputs[i] > 1.0f ? 1.0f : outputs[i] < -1.0f ? -1.0f : outputs[i])"
    )
    low = np.asarray(graph.output.low, np.float32)
    high = np.asarray(graph.output.high, np.float32)
    return (
        array("action_low", "float", low)
        + array("action_range", "float", high - low)
        + """
int srl_act(const srl_observation *observation, float *action)
{
    float outputs[SRL_OUTPUT_SIZE];
    int i;
    if (srl_outputs(observation, outputs)) return -1;
    for (i = 0; i < SRL_ACTION_SIZE; i++) {
        action[i] = action_low[i] + (BOUNDED + 1.0f) * 0.5f * action_range[i];
    }
    return 0;
}
""".replace("BOUNDED", bounded)
    )
