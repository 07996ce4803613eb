"""An axis ends where returns have collapsed; what lies below is marked with its number."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sparse_rl.report.figures import differences, panel
from sparse_rl.report.figures.appearance import figure_bytes
from sparse_rl.report.figures.clipping import floor_of
from sparse_rl.report.findings import analyse
from sparse_rl.runs.run import Run

MakeRun = Callable[..., Path]


def test_the_end_lies_a_little_under_what_has_not_collapsed() -> None:
    floor = floor_of([-147, -151, -163, -1155, -1141], limit=-670)
    assert -163 - 0.1 * 16 < floor < -163


@pytest.mark.parametrize(
    "values",
    [
        [-147, -151, -163],  # nothing has collapsed
        [-147, -500, -671],  # cutting it off would gain little
        [-147, -1155, -1141],  # one healthy value has no height
        [-1155, -1141],
    ],
)
def test_a_whole_axis_stays_whole(values: list[float]) -> None:
    assert floor_of(values, limit=-670) == -np.inf


def collapsed(make_run: MakeRun) -> Run:
    """Dense at 2,600, 99 % at 30, where acting at random gets 20; one seed of 90 % at 700."""
    path = make_run(environment="brax/hopper", levels=(0.0, 0.9, 0.99), modes=(), with_costs=False)
    rows = pd.read_csv(path / "metrics.csv", dtype={"variant": str})
    final = (rows.phase == "final") & (rows.metric == "return")
    rows.loc[final & (rows.variant == "0.99"), "value"] = 30.0 + rows.seed
    rows.loc[final & (rows.variant == "0.9") & (rows.seed == 3), "value"] = 700.0
    rows.to_csv(path / "metrics.csv", index=False)
    return Run(path)


def texts(figure: Figure) -> list[str]:
    return [one.get_text() for one in figure.axes[0].texts]


def test_the_panel_keeps_healthy_levels_readable_and_marks_the_others(make_run: MakeRun) -> None:
    run = collapsed(make_run)
    findings = analyse(run)
    figure = panel.draw(findings)
    assert figure is not None
    low, high = figure.axes[0].get_ylim()
    returns = np.array([*run.final_returns("0").values(), *run.final_returns("0.9").values()])
    healthy = returns[returns > 1310]
    assert low < healthy.min() and healthy.max() < high
    assert low > 1310 and high - low < 3 * np.ptp(healthy)
    # The one seed of a level that has not collapsed, and the mean of the one that has.
    assert texts(figure) == ["700", "33.5"]
    assert "Arrows and numbers" in panel.caption(findings)
    assert figure_bytes(figure, "svg", "x")


def test_several_seeds_of_one_level_share_a_row_with_their_number_and_the_lowest(
    make_run: MakeRun,
) -> None:
    run = collapsed(make_run)
    path = run.path
    rows = pd.read_csv(path / "metrics.csv", dtype={"variant": str})
    final = (rows.phase == "final") & (rows.metric == "return")
    rows.loc[final & (rows.variant == "0.9") & (rows.seed == 2), "value"] = 650.0
    rows.to_csv(path / "metrics.csv", index=False)
    figure = panel.draw(analyse(Run(path)))
    assert figure is not None
    assert texts(figure) == ["2 to 650", "33.5"]


def test_many_kinds_of_one_level_stay_nearer_to_each_other_than_to_the_next() -> None:
    apart = differences._apart([0.0, 0.9, 0.98, 0.99], 7)
    assert 6 * apart < np.log10(100 / 50) - 6 * apart
    assert differences._apart([0.0, 0.9], 2) == differences.ASIDE
    assert differences._apart([0.0], 1) == differences.ASIDE


def test_the_differences_too(make_run: MakeRun) -> None:
    findings = analyse(collapsed(make_run))
    figure = differences.draw(findings)
    assert figure is not None and findings.table is not None
    value = findings.table.set_index("variant").loc["0.99", "difference"]
    assert texts(figure) == [f"{value:,.0f}"]
    assert figure.axes[0].get_ylim()[0] > value


def test_nothing_is_marked_where_nothing_has_collapsed(finished_run: Path) -> None:
    findings = analyse(Run(finished_run))
    figure = panel.draw(findings)
    assert figure is not None and texts(figure) == []
    assert "Arrows" not in panel.caption(findings)
