"""Delivering a package of C and building it, for the tests of packages."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic import (
    minatar_q_network,
    mlp_actor,
    nature_q_network,
    random_observations,
)
from sparse_rl.artifact import reference
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.delivery import prepare, write
from sparse_rl.artifact.formats import CProgram
from sparse_rl.artifact.packed import Provenance

GCC, GXX, CMAKE = (shutil.which(name) for name in ("gcc", "g++", "cmake"))
needs_compiler = pytest.mark.skipif(GCC is None, reason="gcc not found")
needs_cxx = pytest.mark.skipif(GXX is None, reason="g++ not found")
needs_cmake = pytest.mark.skipif(CMAKE is None, reason="cmake not found")
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror"]
STRICT_C = ["-std=c99", *WARNINGS, "-ffp-contract=off"]
STRICT_CXX = ["-std=c++17", *WARNINGS]
GRAPHS = {
    "mlp": compact(mlp_actor((17, 32, 32, 6), 0.9, "int8")),
    "minatar": compact(minatar_q_network(0.95, "float32")),
    "with a buffer": compact(nature_q_network(36, 0.95, "float32")),
}
ABOUT = Provenance("mujoco/Walker2d-v4", "0.9-int8", 3, "", 1234.5)


def package(graph, form, folder, prefix="walker"):
    """The folder of a delivered package, and observations for it."""
    seen = random_observations(graph, 30)
    written = write(prepare(graph, ABOUT, seen), form, folder, CProgram(prefix=prefix))
    return written.path, seen


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(*command, cwd=None, text=None) -> str:
    done = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_by_cmake(project: Path, build: Path, *options: str) -> None:
    run(CMAKE, "-S", project, "-B", build, "-DCMAKE_C_FLAGS=" + " ".join(WARNINGS), *options)
    run(CMAKE, "--build", build)


def close(graph, printed: str, seen) -> None:
    """Compares printed actions, one in a line, with NumPy's."""
    expected = reference.act(graph, seen)
    found = np.array([line.split() for line in printed.splitlines()], float)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=1e-5)


def as_text(seen) -> str:
    return "\n".join(" ".join(f"{float(x):.9g}" for x in row.ravel()) for row in seen)
