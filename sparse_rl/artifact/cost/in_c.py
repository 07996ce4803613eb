"""What one actor costs in C: compiled, weighed, timed, counted and metered on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from sparse_rl.artifact.c_source import Source, generate
from sparse_rl.artifact.compiler import CompilationError, compile_c
from sparse_rl.artifact.cost import energy, instructions, latency
from sparse_rl.artifact.cost.instructions import InstructionCount
from sparse_rl.artifact.cost.latency import Latency
from sparse_rl.artifact.graph import Graph


class InC(NamedTuple):
    """What one actor costs in C; a missing measurement is None."""

    bytes: int | None = None
    latency: Latency | None = None
    instructions: InstructionCount | None = None
    energy: float | None = None


def run_in_c(graph: Graph, observations: NDArray) -> InC:
    """Size, time, instructions and energy of the graph's C, compiled and run here.

    Raises CompilationError, TimingError.
    """
    source = generate(graph)
    return InC(
        object_bytes(source) if shutil.which("size") else None,
        latency.of_source(source, observations),
        instructions.count(source, observations),
        _meter(source, observations),
    )


def object_bytes(source: Source) -> int:
    """Code and constants of the generated C, compiled with -O3 -march=native.

    Raises CompilationError, also where `size` does not know what was compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        source.write(directory)
        compile_c(directory / "srl_actor.o", [directory / "srl_actor.c"], "-c")
        done = subprocess.run(
            ["size", "srl_actor.o"], cwd=folder, check=False, capture_output=True, text=True
        )
    if done.returncode:
        raise CompilationError.of("size", done.stderr)
    return sum(int(number) for number in done.stdout.splitlines()[1].split()[:2])


def _meter(source: Source, observations: NDArray) -> float | None:
    if not energy.is_metered():
        return None
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        program = latency.build_timer(source, directory)
        return energy.measured(lambda n: latency.run_timer(program, directory, observations, n))
