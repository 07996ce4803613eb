"""The interface of our own C, for actors in C that others have made."""

from __future__ import annotations

from pathlib import Path

_HEADER = """\
#ifndef SRL_ACTOR_H
#define SRL_ACTOR_H
#define SRL_OBSERVATION_SIZE {inputs}
#define SRL_ACTION_SIZE {outputs}
typedef float srl_observation;
typedef float srl_action;
int srl_act(const srl_observation *observation, srl_action *action);
#endif
"""


def write_header(directory: Path, inputs: int, outputs: int) -> None:
    """srl_actor.h in `directory`, of an actor that reads and gives floats."""
    (directory / "srl_actor.h").write_text(_HEADER.format(inputs=inputs, outputs=outputs))
