"""The C artifact on a Cortex-M4F: cross-compiled, run under QEMU, its costs counted.

    python -m benchmarks.microcontroller [--json PATH]

The rows are a 17-256-256-6 actor with random weights, dense in float32 and at 98 % in int8.

The firmware holds the observations, calls `srl_act` on each and prints the bits of the actions over
semihosting. Under `-icount shift=0` QEMU's clock advances one nanosecond per instruction, so the 25
MHz SysTick timer counts instructions in units of 40; a loop of known length, run first, tells the
exact unit. Needs arm-none-eabi-gcc with newlib, and qemu-system-arm (Debian: gcc-arm-none-eabi,
libnewlib-arm-none-eabi, qemu-system-arm). An emulator knows no cache, no pipeline and no flash wait
states: instructions are not cycles.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic
from benchmarks.harness import argument_parser, report
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.c_source import MICROCONTROLLER, generate
from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import CompilationError
from sparse_rl.artifact.graph import Graph

COMPILER = "arm-none-eabi-gcc"
EMULATOR = "qemu-system-arm"
_FLAGS = [
    "-std=c99",
    "-O2",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-ffunction-sections",
    "-fdata-sections",
]
STRICT = ("-pedantic", "-Werror")
"""For C of our own."""
_SECONDS = 300
_LOOP_INSTRUCTIONS = 400_000
FIRMWARE = Path(__file__).parent / "firmware"


@dataclass(frozen=True)
class MicrocontrollerReport:
    """One actor on the emulated processor."""

    actions: NDArray
    flash_actor: int
    """Bytes of the actor's code and constants."""
    flash_total: int
    """Bytes of the whole firmware without the embedded observations: start-up, tanh and all."""
    ram_static: int
    """Bytes of the actor's static variables: none, by construction."""
    ram_stack: int
    """Deepest stack below the caller of srl_act, in bytes, measured by painting the stack."""
    instructions: float
    """Mean instructions per action."""


def missing_tools() -> list[str]:
    """The needed programs that are not on the path."""
    return [name for name in (COMPILER, EMULATOR) if shutil.which(name) is None]


def run(graph: Graph, observations: NDArray) -> MicrocontrollerReport:
    """Cross-compile, emulate on the observations [n, *shape] and count.

    Raises CompilationError where the tools are missing, do not compile, or the emulation fails.
    """
    choice = isinstance(graph.output, ArgMax)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        generate(graph, MICROCONTROLLER).write(directory)
        width = 1 if choice else graph.output_shape[0]
        return run_sources(directory, observations, width, choice)


def run_sources(
    directory: Path,
    observations: NDArray,
    width: int,
    choice: bool = False,
    more: Sequence[Path] = (),
    options: Sequence[str] = STRICT,
) -> MicrocontrollerReport:
    """As `run`, for an `srl_actor.c` and its header in `directory`, from wherever they are.

    `width` is the number of an action's elements, `choice` says that it is a whole number; `more`
    are sources that belong to the actor, `options` the compiler's for all of them.
    """
    if missing_tools():
        raise CompilationError(f"not found: {', '.join(missing_tools())}")
    objects = compile_actor(directory, more, options)
    firmware = link(directory, observations, objects)
    lines = _emulate(firmware).split()
    sizes = [_section_sizes(directory / name) for name in objects]
    whole = _section_sizes(firmware)
    stack, ticks, unit_ticks, *bits = [int(text, 16) for text in lines]
    words = np.array(bits, np.uint32).reshape(len(observations), width)
    actions = words.view(np.int32)[:, 0].astype(np.int64) if choice else (words.view(np.float32))
    instructions = ticks * (_LOOP_INSTRUCTIONS / unit_ticks) / len(observations)
    itemsize = 4 if observations.dtype == np.float32 else 1
    return MicrocontrollerReport(
        actions,
        sum(size["text"] for size in sizes),
        whole["text"] + whole["data"] - observations.size * itemsize,
        sum(size["data"] + size["bss"] for size in sizes),
        stack,
        instructions,
    )


def compile_actor(
    directory: Path, more: Sequence[Path] = (), options: Sequence[str] = STRICT
) -> list[str]:
    """The object files of the actor in `directory`."""
    objects = []
    for source in (directory / "srl_actor.c", *more):
        objects.append(f"{source.stem}.o")
        command = [COMPILER, *_FLAGS, *options, "-c", str(source), "-o", objects[-1]]
        _run(command, directory)
    return objects


def link(directory: Path, observations: NDArray, objects: Sequence[str]) -> Path:
    """The firmware's ELF file in `directory`."""
    kind = "float" if observations.dtype == np.float32 else "uint8_t"
    embedded = array("observations", kind, observations.ravel())
    (directory / "firmware.c").write_text(
        (FIRMWARE / "firmware.c")
        .read_text()
        .replace("OBSERVATIONS", embedded)
        .replace("NUMBER", str(len(observations)))
    )
    shutil.copy(FIRMWARE / "memory.ld", directory)
    linking = ["--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-T", "memory.ld"]
    sources = ["firmware.c", *objects, "-lm"]
    _run([COMPILER, *_FLAGS, *linking, "-o", "firmware.elf", *sources], directory)
    return directory / "firmware.elf"


def _emulate(firmware: Path) -> str:
    command = [
        EMULATOR,
        "-machine",
        "mps2-an386",
        "-cpu",
        "cortex-m4",
        "-icount",
        "shift=0",
        "-display",
        "none",
        "-serial",
        "none",
        "-monitor",
        "none",
        "-semihosting-config",
        "enable=on,target=native",
        "-kernel",
        str(firmware),
    ]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    output = result.stdout + result.stderr
    if "done" not in output:
        raise CompilationError(f"emulation failed: {output[-200:]!r}")
    return output.split("done")[0]


def _section_sizes(path: Path) -> dict[str, int]:
    text = _run(["arm-none-eabi-size", path.name], path.parent)
    names, values = (line.split()[:3] for line in text.splitlines()[:2])
    return dict(zip(names, map(int, values), strict=True))


def _run(command: list[str], directory: Path) -> str:
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode:
        first = next((x for x in result.stderr.splitlines() if "error" in x), result.stderr[:200])
        raise CompilationError(f"{command[0]} failed: {first}")
    return result.stdout


def programs(observations: NDArray) -> dict[str, Graph]:
    """Dense float32, and 98 % int8 as masked, compacted, and in fixed powers of two."""
    sparse = synthetic.mlp_actor(sparsity=0.98, quantization="int8")
    integer = synthetic.calibrated_mlp_actor((17, 256, 256, 6), 0.98, "integer", observations)
    return {
        "dense float32": synthetic.mlp_actor(sparsity=0.0, quantization="float32"),
        "98 % int8, as masked": sparse,
        "98 % int8, compacted": compact(sparse),
        "98 % integer, compacted": compact(integer),
    }


def main() -> None:
    options = argument_parser(__doc__).parse_args()
    observations = synthetic.random_observations(synthetic.mlp_actor(sparsity=0.0), 50)
    rows = []
    for name, program in programs(observations).items():
        found = run(program, observations)
        rows.append(
            {
                "actor": name,
                "instructions": found.instructions,
                "flash of the actor": found.flash_actor,
                "flash of all": found.flash_total,
                "stack": found.ram_stack,
            }
        )
    report("Cortex-M4F, emulated: one action, bytes", rows, options.json)


if __name__ == "__main__":
    main()
