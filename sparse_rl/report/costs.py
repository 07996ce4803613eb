"""What the exported actors cost, from artifacts/<arm>/cost.json."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from sparse_rl.report.run_directory import Run, read_cost


class Cost(NamedTuple):
    """A cost: its key in cost.json and how an axis calls it."""

    name: str
    axis: str


COSTS = (
    Cost("bytes", "size of the file, bytes"),
    Cost("latency_us", "time per action, µs"),
    Cost("energy_uj", "energy per action, µJ"),
)


def arm_costs(run: Run, arms: list[str]) -> pd.DataFrame:
    """One row for each arm that has a cost.json: arm, and the costs that it holds."""
    rows = []
    for arm in arms:
        measured = read_cost(run, arm)
        if measured:
            known = {cost.name: measured.get(cost.name) for cost in COSTS}
            rows.append({"arm": arm} | known)
    table = pd.DataFrame(rows, columns=["arm", *(cost.name for cost in COSTS)])
    return table.astype({cost.name: "float64" for cost in COSTS})
