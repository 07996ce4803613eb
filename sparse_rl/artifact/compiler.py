"""Compiling a generated C artifact for this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sparse_rl.artifact.c_source import FLAGS

_COMPILERS = ("cc", "gcc", "clang")


class CompilationError(ValueError):
    """There is no compiler, or the one found does not compile a generated artifact."""

    @classmethod
    def of(cls, compiler: str, said: str) -> CompilationError:
        """With the first line of what it said that speaks of an error, else with the first."""
        lines = said.strip().splitlines() or ["it said nothing"]
        first = next((line for line in lines if "error" in line), lines[0])
        return cls(f"{compiler} failed: {first}")


def find_compiler() -> str | None:
    """The first C compiler on the path, or None."""
    return next((path for name in _COMPILERS if (path := shutil.which(name))), None)


def compile_c(
    output: Path, sources: list[Path], *options: str, compiler: str | None = None
) -> Path:
    """`sources` compiled for this processor into `output`; raises CompilationError."""
    compiler = compiler or find_compiler()
    if compiler is None:
        raise CompilationError("no C compiler found: install cc, gcc or clang")
    command = [compiler, *FLAGS, "-march=native", *options, "-o", str(output)]
    try:
        result = subprocess.run(
            [*command, *map(str, sources), "-lm"], capture_output=True, text=True, check=False
        )
    except OSError as error:  # found, but not a program of this machine
        raise CompilationError.of(compiler, f"error: {error.strerror}") from None
    if result.returncode:
        raise CompilationError.of(compiler, result.stderr)
    if not output.exists():
        raise CompilationError.of(compiler, "it ended without an error, and wrote nothing")
    return output


def compile_shared(directory: Path, output: Path, compiler: str | None = None) -> Path:
    """A shared library of the artifact in `directory`."""
    return compile_c(output, [directory / "srl_actor.c"], "-shared", "-fPIC", compiler=compiler)
