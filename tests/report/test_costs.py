import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from sparse_rl.report.costs import measured_costs, variant_costs
from sparse_rl.runs.run import Run

MakeRun = Callable[..., Path]


def test_costs_are_read_from_their_places(make_run: MakeRun) -> None:
    run = Run(make_run(levels=(0.0, 0.9)))
    costs = variant_costs(run, ["0", "0.9-int8", "0.5"]).set_index("variant")
    assert list(costs.index) == ["0", "0.9-int8"]
    row = costs.loc["0.9-int8"]
    assert row["bytes"] == 1298 and row["dense_bytes"] == 19_968
    assert row["latency"] == pytest.approx(0.3 + 0.0011 * 499.2)
    assert row["energy_model"] == pytest.approx(0.022 * 499.2 + 1)
    assert math.isnan(row["energy_measured"])


def test_metered_energy_replaces_the_model_where_there_is_any(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.9))
    names = [cost.name for cost in measured_costs(variant_costs(Run(path), ["0.9"]))]
    assert names == ["bytes", "latency", "energy_model"]
    file = path / "artifacts" / "0.9" / "cost.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"energy_measured": {"c": 7.5}}))
    names = [cost.name for cost in measured_costs(variant_costs(Run(path), ["0.9"]))]
    assert names == ["bytes", "latency", "energy_measured"]


def test_a_cost_report_that_is_not_json_is_named(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0,))
    file = path / "artifacts" / "0" / "cost.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"cost\.json: not JSON"):
        variant_costs(Run(path), ["0"])
