"""Instructions per action, counted by valgrind's callgrind."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.c_source import FLAGS, Source
from sparse_rl.artifact.compiler import CompilationError, find_compiler
from sparse_rl.artifact.cost.latency import TIMER


@dataclass(frozen=True)
class InstructionCount:
    """Mean instructions of one srl_act, and how they were counted."""

    per_action: float
    method: str


def count(source: Source, observations: NDArray, calls: int = 100) -> InstructionCount | None:
    """Instructions of one action; None without valgrind or a compiler.

    Counted on this machine's baseline instruction set, because valgrind lacks AVX-512: vectorized
    kernels execute fewer in practice.
    """
    compiler = find_compiler()
    if shutil.which("valgrind") is None or compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        source.write(directory)
        (directory / "timer.c").write_text(TIMER)
        command = [
            compiler,
            *FLAGS,
            "-D_POSIX_C_SOURCE=199309L",
            "-o",
            "timer",
            "timer.c",
            "srl_actor.c",
            "-lm",
        ]
        built = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if built.returncode:
            raise CompilationError.of(compiler, built.stderr)
        kind = np.float32 if observations.dtype == np.float32 else np.uint8
        (directory / "observations").write_bytes(observations.astype(kind).tobytes())
        result = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--toggle-collect={'srl_act_in' if source.scratch_bytes else 'srl_act'}",
                "--callgrind-out-file=/dev/null",
                "./timer",
                "observations",
                str(calls),
            ],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode or found is None:
        return None
    # The timing program warms up with as many calls as it times.
    return InstructionCount(int(found[1]) / (2 * calls), "callgrind, -O3, baseline instruction set")
