import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from sparse_rl.report.costs import arm_costs, measured_costs
from sparse_rl.report.run_directory import read_run

MakeRun = Callable[..., Path]


def test_costs_are_read_from_their_places(make_run: MakeRun) -> None:
    run = read_run(make_run(levels=(0.0, 0.9)))
    costs = arm_costs(run, ["0", "0.9-int8", "0.5"]).set_index("arm")
    assert list(costs.index) == ["0", "0.9-int8"]
    row = costs.loc["0.9-int8"]
    assert row["bytes"] == 1298 and row["dense_bytes"] == 19_968
    assert row["latency"] == pytest.approx(0.3 + 0.0011 * 499.2)
    assert row["energy_model"] == pytest.approx(0.022 * 499.2 + 1)
    assert math.isnan(row["energy_measured"])


def test_metered_energy_replaces_the_model_where_there_is_any(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.9))
    names = [cost.name for cost in measured_costs(arm_costs(read_run(path), ["0.9"]))]
    assert names == ["bytes", "latency", "energy_model"]
    file = path / "artifacts" / "0.9" / "cost.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"energy_measured": {"c": 7.5}}))
    names = [cost.name for cost in measured_costs(arm_costs(read_run(path), ["0.9"]))]
    assert names == ["bytes", "latency", "energy_measured"]


def test_a_cost_report_that_is_not_json_is_named(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0,))
    file = path / "artifacts" / "0" / "cost.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"cost\.json: not JSON"):
        arm_costs(read_run(path), ["0"])
