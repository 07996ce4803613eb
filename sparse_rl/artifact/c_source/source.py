"""The files of a C artifact: headers for C and C++, source, self-test, main.c and Makefile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax, Squash
from sparse_rl.artifact import source_files
from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.c_source.cpp_wrapper import cpp_wrapper
from sparse_rl.artifact.c_source.functions import (
    DOT_TYPES,
    DYNAMIC_QUANTISE,
    STATIC_QUANTISE,
    functions_called_in,
)
from sparse_rl.artifact.c_source.header import header
from sparse_rl.artifact.c_source.main_program import MAKEFILE, main_program
from sparse_rl.artifact.c_source.program import Program, compile_graph
from sparse_rl.artifact.c_source.reading import outputs_function
from sparse_rl.artifact.c_source.scratch import LIMIT, with_scratch
from sparse_rl.artifact.c_source.selftest import selftest
from sparse_rl.artifact.c_source.stack import stack_bytes
from sparse_rl.artifact.c_source.target import HOST, Target
from sparse_rl.artifact.graph import Graph, layers
from sparse_rl.artifact.known_answers import known_answers
from sparse_rl.artifact.weights import StaticScale

FLAGS = ("-std=c99", "-O3", "-ffp-contract=off")


@dataclass(frozen=True)
class Source:
    """File contents by path, and what was decided on the way."""

    files: dict[str, str]
    kernels: tuple[str, ...]
    """The kernel of every layer."""
    stack_bytes: int
    """Bytes of the arrays on the stack of `srl_act`: between layers, and of the largest layer."""
    scratch_bytes: int
    """Bytes of an `srl_scratch`; 0 where there is none."""

    def with_prefix(self, prefix: str) -> Source:
        """The same with PREFIX in place of SRL in all names, so that several actors can be linked.

        Raises ValueError where it is no C identifier in lower case.
        """
        return replace(self, files=source_files.with_prefix(self.files, prefix))

    def write(self, directory: Path) -> None:
        source_files.write(self.files, directory)


def generate(
    graph: Graph,
    target: Target = HOST,
    title: str = "",
    notes: Sequence[str] = (),
    known: tuple[NDArray, NDArray] | None = None,
    scratch_limit: int = LIMIT,
) -> Source:
    """C99 for a graph.

    The header begins with the title and the notes. `known` are observations and their actions, of
    which a self-test is made. Arrays of more than `scratch_limit` bytes may lie in a buffer of the
    caller's.
    """
    program = compile_graph(graph, target)
    body = _body(graph, program)
    stack, scratch = stack_bytes(body, graph.output_shape[0]), None
    if stack > scratch_limit:
        body, scratch = with_scratch(body, graph.output_shape[0])
    files = {
        "srl_actor.h": header(graph, title, notes, stack, scratch),
        "srl_actor.hpp": cpp_wrapper(graph),
        "srl_actor.c": body,
        "main.c": main_program(graph, scratch is not None),
        "Makefile": MAKEFILE,
    }
    if known is not None:
        files["srl_selftest.c"] = selftest(graph, known_answers(graph, *known), scratch is not None)
    return Source(files, tuple(program.kernels), stack, 0 if scratch is None else scratch.bytes)


def _body(graph: Graph, program: Program) -> str:
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

typedef char srl_needs_int_of_32_bits[sizeof(int) >= 4 ? 1 : -1];

"""
    called = ""
    if "dot_unsigned" in functions or "dot_signed" in functions:
        called += DOT_TYPES
    if "quantize(x" in functions:
        called += STATIC_QUANTISE if static else DYNAMIC_QUANTISE
    rest = called + functions + outputs_function(graph, program) + _act(graph) + _BATCH
    return text + functions_called_in(rest) + rest


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
