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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic
from benchmarks.harness import argument_parser, report
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import fixed_point
from sparse_rl.artifact.c_source import MICROCONTROLLER, Source, generate
from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.calibration import with_static_scales
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import CompilationError
from sparse_rl.artifact.fixed_point import FixedPoint
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


def run(graph: Graph | FixedPoint, observations: NDArray) -> MicrocontrollerReport:
    """Cross-compile, emulate on the observations [n, *shape] and count.

    Raises CompilationError where the tools are missing, do not compile, or the emulation fails.
    """
    if missing_tools():
        raise CompilationError(f"not found: {', '.join(missing_tools())}")
    plain = graph.graph if isinstance(graph, FixedPoint) else graph
    source = generate(graph, MICROCONTROLLER)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        firmware = build(source, observations, directory)
        lines = _emulate(firmware).split()
        sizes = _section_sizes(directory / "srl_actor.o")
        whole = _section_sizes(firmware)
    stack, ticks, unit_ticks, *bits = [int(text, 16) for text in lines]
    width = 1 if isinstance(plain.output, ArgMax) else plain.output_shape[0]
    words = np.array(bits, np.uint32).reshape(len(observations), width)
    actions = (
        words.view(np.int32)[:, 0].astype(np.int64)
        if isinstance(plain.output, ArgMax)
        else (words.view(np.float32))
    )
    instructions = ticks * (_LOOP_INSTRUCTIONS / unit_ticks) / len(observations)
    itemsize = 4 if observations.dtype == np.float32 else 1
    return MicrocontrollerReport(
        actions,
        sizes["text"],
        whole["text"] + whole["data"] - observations.size * itemsize,
        sizes["data"] + sizes["bss"],
        stack,
        instructions,
    )


def build(source: Source, observations: NDArray, directory: Path) -> Path:
    """The firmware's ELF file in `directory`, beside its sources and the actor's object file."""
    source.write(directory)
    kind = "float" if observations.dtype == np.float32 else "uint8_t"
    embedded = array("observations", kind, observations.ravel())
    (directory / "firmware.c").write_text(
        (FIRMWARE / "firmware.c")
        .read_text()
        .replace("OBSERVATIONS", embedded)
        .replace("NUMBER", str(len(observations)))
    )
    shutil.copy(FIRMWARE / "memory.ld", directory)
    _run([COMPILER, *_FLAGS, "-pedantic", "-Werror", "-c", "srl_actor.c"], directory)
    _run(
        [
            COMPILER,
            *_FLAGS,
            "--specs=nano.specs",
            "-nostartfiles",
            "-Wl,--gc-sections",
            "-T",
            "memory.ld",
            "-o",
            "firmware.elf",
            "firmware.c",
            "srl_actor.o",
            "-lm",
        ],
        directory,
    )
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


def programs(observations: NDArray) -> dict[str, Graph | FixedPoint]:
    """Dense float32, and 98 % int8: as masked, compacted, and with integer arithmetic alone."""
    sparse = synthetic.mlp_actor(sparsity=0.98, quantization="int8")
    static = compact(with_static_scales(sparse, observations))
    return {
        "dense float32": synthetic.mlp_actor(sparsity=0.0, quantization="float32"),
        "98 % int8, as masked": sparse,
        "98 % int8, compacted": compact(sparse),
        "98 % int8, integer": fixed_point.to_fixed_point(static, observations),
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
