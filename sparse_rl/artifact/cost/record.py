"""The cost report as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sparse_rl.artifact.cost.latency import Latency

NOT_AVAILABLE = "not available"


@dataclass(frozen=True)
class Cost:
    """One actor beside its dense float32 counterpart; a missing measurement is None."""

    sparsity: float
    """Share of the trained policy's kernel weights that are zero, before compaction."""
    theoretical_ratio: float
    """(4 for int8) / (1 - sparsity): the formula, not a measurement."""
    bytes: dict[str, int]
    packed_ratio: float
    """Dense float32 bytes of the trained network over the packed file's, everything included."""
    entropy_bound: dict[str, float]
    """Bytes of index, value and bias bits (see `packed.entropy_bound`): before and after."""
    latency: dict[str, Latency | None]
    instructions: dict[str, float | None]
    instruction_method: str
    multiply_accumulates: dict[str, int]
    energy_model: dict[str, Any]
    energy_measured: dict[str, float | str]
    c_not_run: str | None = None
    """Why there is none of the figures of C although there is a compiler; None where they are."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"
