"""Compiling an actor's C to WebAssembly.

The module imports nothing. It exports its memory, `srl_act`, `srl_act_batch` and `srl_outputs` of
the C, and the addresses of places in its memory: `srl_observations`, `srl_actions` (both for so
many observations as `PLACES` says) and `srl_last_outputs`.

It is made from the same C as for every other machine, and not from the graph once more: a second
generator would be a second arithmetic to keep right.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from sparse_rl.artifact.c_source import FLAGS, WASM, generate
from sparse_rl.artifact.compiler import CompilationError
from sparse_rl.artifact.packed import PackedActor

PLACES = 64
"""Observations that the memory has room for, so that one call times many actions."""
TOOLS = ("clang", "wasm-ld")
_FREESTANDING = Path(__file__).parent / "freestanding"
_EXPORTS = (
    *("srl_act", "srl_act_batch", "srl_outputs"),
    *("srl_observations", "srl_actions", "srl_last_outputs"),
)
_OPTIONS = (
    *("--target=wasm32", "-nostdlib", "-nostdlibinc", "-fno-math-errno", "-fvisibility=hidden"),
    *("-msimd128", "-mbulk-memory"),  # in every browser since 2023
    "-fno-slp-vectorize",  # clang 14 with it reads wrong elements of an image; loops stay vectors
    f"-DSRL_PLACES={PLACES}",
)
_OVERHEAD = 1 << 14
"""Bytes of stack for all that is not an array."""


def check_tools() -> None:
    """Raises ValueError, one line, where this machine cannot compile WebAssembly."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)}: not found; needed to make WebAssembly: apt-get install "
            f"clang lld, or what brings them elsewhere"
        )


def compiled(actor: PackedActor) -> bytes:
    """The actor's module, with the arithmetic that the packed file says.

    Raises ValueError where the tools are missing, CompilationError where they fail.
    """
    check_tools()
    source = generate(actor.graph, WASM)
    with tempfile.TemporaryDirectory(prefix="srl_wasm_") as folder:
        directory = Path(folder)
        source.write(directory)
        linked = [f"--export={name}" for name in _EXPORTS]
        linked += ["--no-entry", "--strip-all", "--stack-first"]
        linked += ["-z", f"stack-size={-(-(source.stack_bytes + _OVERHEAD) // 16) * 16}"]
        output = directory / "actor.wasm"
        files = [directory / "srl_actor.c", *(_FREESTANDING / f for f in ("places.c", "tanhf.c"))]
        command = [
            *("clang", *FLAGS, *_OPTIONS, f"-I{directory}", f"-isystem{_FREESTANDING}"),
            *(word for one in linked for word in ("-Xlinker", one)),
            *("-o", str(output), *map(str, files)),
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CompilationError.of("clang", result.stderr)
        return output.read_bytes()
