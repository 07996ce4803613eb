"""A dense float32 actor compiled by onnx2c, with the interface of our own C.

onnx2c (github.com/kraiskil/onnx2c, MIT) turns an ONNX model into one C file without dependencies,
for microcontrollers. Its program is named by whoever runs this.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.rivals.interface import write_header
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.onnx.model import to_unguarded_onnx

_CALLER = """
#include "srl_actor.h"
int srl_act(const srl_observation *observation, srl_action *action)
{
    entry((const float (*)[SRL_OBSERVATION_SIZE])observation, (float (*)[SRL_ACTION_SIZE])action);
    return 0;
}
"""


def missing(program: Path | None) -> str | None:
    """Why onnx2c cannot be used, or None."""
    if program is None:
        return "--onnx2c PROGRAM was not given"
    return None if shutil.which(program) else f"{program} is not a program"


def write(graph: Graph, program: Path, directory: Path) -> None:
    """srl_actor.h and srl_actor.c in `directory`; raises ValueError where onnx2c refuses."""
    model = to_unguarded_onnx(graph)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    (directory / "actor.onnx").write_bytes(model.SerializeToString())
    done = subprocess.run(
        [program, directory / "actor.onnx"], capture_output=True, text=True, check=False
    )
    if done.returncode or not re.search(r"^void entry\(", done.stdout, re.MULTILINE):
        raise ValueError(f"onnx2c: {(done.stderr or done.stdout)[-200:].strip()!r}")
    inputs, outputs = graph.observation.shape[0], graph.output_shape[0]
    write_header(directory, inputs, outputs)
    (directory / "srl_actor.c").write_text(done.stdout + _CALLER)
