"""srl_actor.h."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.c_source.scratch import Scratch
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.source_files import one_line


def observation_type(graph: Graph) -> str:
    return "float" if graph.observation.dtype == "float32" else "unsigned char"


_SCRATCH = """
/* What is on the stack otherwise, for you to put elsewhere: into a static variable, for instance.
   What is in it before or behind a call means nothing; two calls at once need two of them. */
#define SRL_SCRATCH_BYTES {bytes}
typedef struct {{
{members}}} srl_scratch;

/* All that acts, with its arrays in scratch and next to nothing on the stack. */
int srl_act_in(srl_scratch *scratch, const {observation} *observation, {action});
int srl_act_batch_in(srl_scratch *scratch, const {observation} *observations, srl_action *actions,
                     int n);
int srl_outputs_in(srl_scratch *scratch, const {observation} *observation, float *outputs);
int srl_selftest_in(srl_scratch *scratch);
"""


def header(
    graph: Graph, title: str, notes: Sequence[str], stack: int, scratch: Scratch | None
) -> str:
    """The artifact's interface, with the sizes and types of its arrays.

    `stack` is in bytes: of all arrays that are on it at once. `scratch` is of those that may lie in
    a buffer of the caller's; without it there are no functions for that.
    """
    discrete = isinstance(graph.output, ArgMax)
    shape = " x ".join(map(str, graph.observation.shape))
    action = "int *action" if discrete else "float *action"
    safe = one_line(title)
    said = f"A compressed actor{': ' + safe if safe else ''}."
    said += " Generated; depends on the C library alone."
    said += "".join(f"\n   {line}" for line in map(one_line, notes) if line)
    meaning = (
        "action[0] is the index of the largest output"
        if discrete
        else "action[0..SRL_ACTION_SIZE-1] are in the environment's units"
    )
    observation, elsewhere = observation_type(graph), ""
    if scratch is not None:
        elsewhere = _SCRATCH.format(
            bytes=scratch.bytes, members=scratch.members, observation=observation, action=action
        )
    return f"""\
/* {said} */
#ifndef SRL_ACTOR_H
#define SRL_ACTOR_H

{"" if scratch is None else "#include <stdint.h>" + chr(10) + chr(10)}#ifdef __cplusplus
extern "C" {{
#endif

/* {shape}, last axis fastest. */
#define SRL_OBSERVATION_SIZE {int(np.prod(graph.observation.shape))}
#define SRL_OUTPUT_SIZE {graph.output_shape[0]}
#define SRL_ACTION_SIZE {1 if discrete else graph.output_shape[0]}
#define SRL_DISCRETE {int(discrete)}
/* Arrays on the stack of what acts: srl_act, srl_act_batch, srl_outputs and, with an action more,
   srl_selftest. A compiler adds some tens of bytes for each call. */
#define SRL_STACK_BYTES {stack}

typedef {observation} srl_observation;
typedef {"int" if discrete else "float"} srl_action;

/* {meaning}.
   Returns 0, or -1 and leaves action alone if the observation holds a number that is not finite, or
   one so large that an output would not be finite. */
int srl_act(const {observation} *observation, {action});
{elsewhere}
/* The actions of n observations, one behind the other. Returns how many there are: n, or as many as
   come before the first observation for which srl_act would return -1. */
int srl_act_batch(const {observation} *observations, srl_action *actions, int n);

/* From srl_selftest.c: 0, or the number of the first known answer that is not given here. */
int srl_selftest(void);

/* The last layer's outputs, before tanh or the choice of the largest; returns as srl_act does. */
int srl_outputs(const {observation} *observation, float *outputs);

#ifdef __cplusplus
}}
#endif

#endif
"""
