"""What compression brought in bytes, microseconds, instructions and energy."""

from sparse_rl.artifact.cost.measurement import dense_counterpart, measure, multiply_accumulates
from sparse_rl.artifact.cost.record import NOT_AVAILABLE, Cost
from sparse_rl.artifact.cost.text import describe

__all__ = [
    "NOT_AVAILABLE",
    "Cost",
    "dense_counterpart",
    "describe",
    "measure",
    "multiply_accumulates",
]
