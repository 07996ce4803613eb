"""srl_selftest.c: known answers, to be asked for on the machine on which the actor will run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.graph import Graph

ANSWERS = 10
_MOST_NUMBERS = 20_000
"""In the observations that are kept: fewer of them where they are images."""
_TOLERANCE = 1e-5
"""Of an action's range: C libraries have several ways to a tanh."""


def selftest(graph: Graph, observations: NDArray, actions: NDArray) -> str:
    """C that acts on a few of the observations and compares with their actions."""
    size = int(np.prod(graph.observation.shape))
    number = max(1, min(ANSWERS, len(observations), _MOST_NUMBERS // size))
    chosen = np.linspace(0, len(observations) - 1, number).astype(int)
    floats = graph.observation.dtype == "float32"
    seen = observations[chosen].reshape(number * size)
    known = actions[chosen].reshape(-1)
    if isinstance(graph.output, ArgMax):
        answers, tolerances = array("answers", "int", known), ""
        compare = "        if (action[0] != answers[k]) return k + 1;"
    else:
        width = np.asarray(graph.output.high) - np.asarray(graph.output.low)
        answers = array("answers", "float", known)
        tolerances = array("tolerances", "float", np.maximum(width * _TOLERANCE, 1e-30))
        compare = (
            "        for (i = 0; i < SRL_ACTION_SIZE; i++) {\n"
            "            const float off = action[i] - answers[k * SRL_ACTION_SIZE + i];\n"
            "            if (!(off <= tolerances[i] && off >= -tolerances[i])) return k + 1;\n"
            "        }"
        )
    declared = "    int k;" if isinstance(graph.output, ArgMax) else "    int i, k;"
    return f"""\
/* Known answers of the actor. Link it where you want to ask for them. */
#include "srl_actor.h"

{array("observations", "float" if floats else "unsigned char", seen)}
{answers}{tolerances}
int srl_selftest(void)
{{
    srl_action action[SRL_ACTION_SIZE];
{declared}
    for (k = 0; k < {number}; k++) {{
        if (srl_act(observations + k * SRL_OBSERVATION_SIZE, action)) return k + 1;
{compare}
    }}
    return 0;
}}
"""
