"""Running a generated crate on observations, to see that it acts as the graph does."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import source_files
from sparse_rl.artifact.compiler import CompilationError
from sparse_rl.artifact.graph import Graph


def find_cargo() -> str | None:
    """Cargo, if a Rust compiler is on the path as well; otherwise None."""
    return shutil.which("cargo") if shutil.which("rustc") else None


def act(files: Mapping[str, str], graph: Graph, observations: NDArray) -> NDArray:
    """Actions of a batch of observations [batch, *shape], by the crate's example.

    Raises CompilationError where the crate does not compile, or its example ends with an error.
    """
    cargo = find_cargo()
    if cargo is None:
        raise CompilationError("no Rust compiler found: install rustc and cargo")
    rows = np.asarray(observations).reshape(len(observations), -1)
    if graph.observation.dtype != "float32":
        rows = rows.astype(np.uint8)
    text = "\n".join(" ".join(map(str, row.tolist())) for row in rows)
    with tempfile.TemporaryDirectory(prefix="srl_crate_") as folder:
        source_files.write(files, Path(folder))
        done = subprocess.run(
            [cargo, "run", "--release", "--quiet", "--offline", "--example", "act"],
            cwd=folder,
            env={**os.environ, "CARGO_TARGET_DIR": str(Path(folder) / "target")},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise CompilationError.of(cargo, done.stderr)
    printed = [line.split() for line in done.stdout.splitlines()]
    if isinstance(graph.output, ArgMax):
        return np.array(printed, np.int64).reshape(-1)
    return np.array(printed, np.float32).reshape(len(rows), -1)
