"""The C artifact on a Cortex-M4F: cross-compiled, run under QEMU, its costs counted.

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

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.c_source import MICROCONTROLLER, Source, generate
from sparse_rl.artifact.c_source.constants import array
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
        _FIRMWARE.replace("OBSERVATIONS", embedded).replace("NUMBER", str(len(observations)))
    )
    (directory / "memory.ld").write_text(MEMORY_MAP)
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


MEMORY_MAP = """\
MEMORY
{
    FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M
}
ENTRY(reset)
SECTIONS
{
    .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > FLASH
    .ARM.exidx : { *(.ARM.exidx*) } > FLASH
    .data : { *(.data*) } > RAM
    .bss : { *(.bss*) *(COMMON) } > RAM
    stack_bottom = ALIGN(8);
    stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""

_LOOP_INSTRUCTIONS = 400_000

_FIRMWARE = r"""
/* Runs the actor on embedded observations; prints stack depth, timer ticks and actions as hex. */
#include <stdint.h>
#include <string.h>
#include "srl_actor.h"

OBSERVATIONS

extern uint32_t stack_top, stack_bottom;
void reset(void);

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    (void *)&stack_top, (void *)reset, (void *)reset, (void *)reset,
};

#define REGISTER(address) (*(volatile uint32_t *)(address))

static void semihosting(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(uint32_t value)
{
    char text[10];
    int i;
    for (i = 0; i < 8; i++) text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    text[8] = '\n';
    text[9] = 0;
    semihosting(4, text);
}

static uint32_t elapsed(uint32_t before) { return (before - REGISTER(0xe000e018u)) & 0xffffffu; }

/* 100,000 rounds of four instructions. */
static uint32_t known_loop(void)
{
    const uint32_t before = REGISTER(0xe000e018u);
    __asm__ volatile("ldr r2, =100000\n1: nop\nnop\nsubs r2, #1\nbne 1b\n" : : : "r2", "cc");
    return elapsed(before);
}

__attribute__((noinline)) static uint32_t stack_depth(void)
{
    static srl_action action[SRL_ACTION_SIZE];
    uint32_t marker, *low = &stack_bottom, *high = &marker - 16, *p;
    for (p = low; p < high; p++) *p = 0xa5a5a5a5u;
    srl_act((const srl_observation *)observations, action);
    for (p = low; p < high && *p == 0xa5a5a5a5u; p++) { }
    return (uint32_t)((char *)&marker - (char *)p);
}

void reset(void)
{
    static srl_action action[SRL_ACTION_SIZE];
    uint32_t ticks = 0, before, bits;
    int i, k;
    REGISTER(0xe000ed88u) |= 0xfu << 20; /* the floating point unit */
    __asm__ volatile("dsb\nisb\n");
    REGISTER(0xe000e014u) = 0xffffffu; /* SysTick: reload, clear, run from the processor clock */
    REGISTER(0xe000e018u) = 0;
    REGISTER(0xe000e010u) = 5;
    print(stack_depth());
    for (k = 0; k < NUMBER; k++) {
        before = REGISTER(0xe000e018u);
        srl_act((const srl_observation *)observations + k * SRL_OBSERVATION_SIZE, action);
        ticks += elapsed(before);
    }
    print(ticks);
    print(known_loop());
    for (k = 0; k < NUMBER; k++) {
        srl_act((const srl_observation *)observations + k * SRL_OBSERVATION_SIZE, action);
        for (i = 0; i < SRL_ACTION_SIZE; i++) {
            memcpy(&bits, action + i, 4);
            print(bits);
        }
    }
    semihosting(4, "done");
    semihosting(0x18, (void *)0x20026);
    for (;;) { }
}
"""
