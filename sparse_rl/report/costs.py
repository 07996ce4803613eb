"""What the exported actors cost, from artifacts/VARIANT/cost.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from sparse_rl.runs.run import Run


class Cost(NamedTuple):
    """A cost: its column, what an axis calls it, and where cost.json has it (sums of the places).

    `dense` is where cost.json has the same for a dense float32 actor of the same layers.
    """

    name: str
    axis: str
    compressed: tuple[str, ...]
    dense: tuple[str, ...]


SIZE = Cost("bytes", "packed file, bytes", ("bytes.packed",), ("bytes.dense_float32",))
LATENCY = Cost(
    "latency",
    "time per action in C, \N{MICRO SIGN}s",
    ("latency.c.median",),
    ("latency.c_dense_float32.median",),
)
METERED = Cost(
    "energy_measured",
    "energy per action, measured, nJ",
    ("energy_measured.c",),
    ("energy_measured.c_dense_float32",),
)
MODELLED = Cost(
    "energy_model",
    "energy per action by the model, nJ",
    ("energy_model.compressed.arithmetic", "energy_model.compressed.memory"),
    ("energy_model.dense_float32.arithmetic", "energy_model.dense_float32.memory"),
)
COSTS = (SIZE, LATENCY, METERED, MODELLED)


def variant_costs(run: Run, variants: list[str]) -> pd.DataFrame:
    """One row for each variant with a cost.json: variant, its costs, dense_<cost> beside each.

    nan where a cost was not measured.
    """
    columns = [name for cost in COSTS for name in (cost.name, f"dense_{cost.name}")]
    rows = []
    for variant in variants:
        report = run.cost(variant)
        if report:
            row: dict[str, Any] = {"variant": variant}
            for cost in COSTS:
                row[cost.name] = _sum(report, cost.compressed)
                row[f"dense_{cost.name}"] = _sum(report, cost.dense)
            rows.append(row)
    return pd.DataFrame(rows, columns=["variant", *columns]).astype(
        dict.fromkeys(columns, "float64")
    )


def measured_costs(costs: pd.DataFrame) -> list[Cost]:
    """The costs worth an axis: size, time, and energy as metered, or else as modelled."""
    known = [cost for cost in COSTS if costs[cost.name].notna().any()]
    return [cost for cost in known if not (cost is MODELLED and METERED in known)]


def _sum(report: Mapping[str, Any], places: tuple[str, ...]) -> float:
    total = 0.0
    for place in places:
        value: Any = report
        for part in place.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if not isinstance(value, int | float):
            return float("nan")
        total += float(value)
    return total
