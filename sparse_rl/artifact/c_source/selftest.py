"""srl_selftest.c: known answers, to be asked for on the machine on which the actor will run."""

from __future__ import annotations

from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.known_answers import KnownAnswers

_ON_STACK = """
int srl_selftest(void)
{
    srl_scratch scratch;
    return srl_selftest_in(&scratch);
}
"""


def selftest(graph: Graph, known: KnownAnswers, scratch: bool) -> str:
    """C that acts on the observations and compares with their actions, in a `scratch` if asked."""
    asked, act, behind = "srl_selftest(void)", "srl_act(", ""
    if scratch:
        asked, act = "srl_selftest_in(srl_scratch *scratch)", "srl_act_in(scratch, "
        behind = _ON_STACK
    floats = graph.observation.dtype == "float32"
    if known.tolerances is None:
        answers, tolerances = array("answers", "int", known.actions), ""
        compare = "        if (action[0] != answers[k]) return k + 1;"
        declared = "    int k;"
    else:
        answers = array("answers", "float", known.actions)
        tolerances = array("tolerances", "float", known.tolerances)
        compare = (
            "        for (i = 0; i < SRL_ACTION_SIZE; i++) {\n"
            "            const float off = action[i] - answers[k * SRL_ACTION_SIZE + i];\n"
            "            if (!(off <= tolerances[i] && off >= -tolerances[i])) return k + 1;\n"
            "        }"
        )
        declared = "    int i, k;"
    return f"""\
/* Known answers of the actor. Link it where you want to ask for them. */
#include "srl_actor.h"

{array("observations", "float" if floats else "unsigned char", known.observations)}
{answers}{tolerances}
int {asked}
{{
    srl_action action[SRL_ACTION_SIZE];
{declared}
    for (k = 0; k < {known.number}; k++) {{
        if ({act}observations + k * SRL_OBSERVATION_SIZE, action)) return k + 1;
{compare}
    }}
    return 0;
}}
{behind}"""
