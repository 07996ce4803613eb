"""Energy per action: a model from published figures, and the processor's own meter.

Model: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure
1.1.9: 45 nm, 0.9 V. Every multiply-accumulate costs its multiplication and its addition, and every
stored weight byte is read once per action from the smallest memory that holds the whole actor. It
ignores instruction fetch (some 70 pJ per instruction on a processor of that age), so it is a model
of arithmetic and weights, not of a machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCE = "Horowitz, ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V)"
FLOAT32_MULTIPLY_ADD = 3.7 + 0.9
"""pJ: one float32 multiplication and one addition."""
INT8_MULTIPLY_ADD = 0.2 + 0.1
"""pJ: one 8-bit multiplication and one 32-bit addition."""
MEMORIES: tuple[tuple[str, float, float], ...] = (
    ("8 KB cache", 8 * 1024, 10 / 8),
    ("32 KB cache", 32 * 1024, 20 / 8),
    ("1 MB cache", 1024 * 1024, 100 / 8),
    ("DRAM", float("inf"), 1300 / 8),
)
"""(name, bytes it holds, pJ per byte), from pJ per 64-bit access; DRAM at its lower end."""

_METER = Path("/sys/class/powercap/intel-rapl:0")


@dataclass(frozen=True)
class EnergyEstimate:
    """Nanojoules per action."""

    arithmetic: float
    memory: float
    memory_name: str


def estimate(multiply_accumulates: int, stored_bytes: int, integer: bool) -> EnergyEstimate:
    """Energy of one action that reads all `stored_bytes` once."""
    per_operation = INT8_MULTIPLY_ADD if integer else FLOAT32_MULTIPLY_ADD
    name, _, per_byte = next(memory for memory in MEMORIES if stored_bytes <= memory[1])
    return EnergyEstimate(
        multiply_accumulates * per_operation / 1000, stored_bytes * per_byte / 1000, name
    )


def is_metered() -> bool:
    """Whether this machine has a meter that may be read."""
    return _read_meter() is not None


def measured(repeat: Callable[[int], object], seconds: float = 1.0) -> float | None:
    """Nanojoules per repetition by the package's RAPL meter; None where it cannot be read.

    The meter counts the whole package, idle power included: an upper bound on a quiet machine.
    """
    if not is_metered():
        return None
    count = 1
    while True:
        before, start = _read_meter(), time.perf_counter()
        repeat(count)
        elapsed, after = time.perf_counter() - start, _read_meter()
        if before is None or after is None or after < before:
            return None
        if elapsed >= seconds:
            return (after - before) * 1000 / count
        count = max(count * 2, int(count * 1.2 * seconds / max(elapsed, 1e-6)))


def _read_meter() -> int | None:
    """Microjoules since some moment."""
    try:
        return int((_METER / "energy_uj").read_text())
    except (OSError, ValueError):
        return None
