"""Several runs: one page that compares them, a page for each, and one figure of all."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparse_rl.report import run_view
from sparse_rl.report.figures import normalized
from sparse_rl.report.findings import Findings, analyse
from sparse_rl.report.overview import smallest_not_worse
from sparse_rl.report.page import distinct, write_page
from sparse_rl.runs.run import Run
from sparse_rl.summary.estimates import interquartile_mean

MakeRun = Callable[..., Path]
SMALL = {"levels": (0.0, 0.9, 0.99), "modes": ("int8",), "with_costs": False, "seeds": 4}


@pytest.fixture
def several(make_run: MakeRun) -> list[Findings]:
    """A finished run, another of the same name, and one that is not finished."""
    paths = [make_run(name, **SMALL) for name in ("a/run", "b/run", "later")]
    rows = pd.read_csv(paths[2] / "metrics.csv")
    rows[(rows.phase != "final") & (rows.step <= 40_000)].to_csv(
        paths[2] / "metrics.csv", index=False
    )
    return [analyse(Run(path)) for path in paths]


@pytest.fixture
def without_own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the runs' own pages take seconds to draw."""
    monkeypatch.setattr(run_view, "LEADING", ())
    monkeypatch.setattr(run_view, "FOLLOWING", ())


def cells(page: str, run: str) -> list[dict[str, str]]:
    found = re.findall(rf'<tr[^>]*data-run="{run}">(.*?)</tr>', page, re.DOTALL)
    return [
        {
            key: unescape(re.sub("<[^>]*>", "", value))
            for key, value in re.findall(r'data-column="(\w+)"[^>]*>(.*?)</td>', row)
        }
        for row in found
    ]


@pytest.mark.usefixtures("without_own_figures")
def test_the_table_has_each_run_and_leads_to_its_page(
    several: list[Findings], tmp_path: Path
) -> None:
    page = write_page(several, tmp_path / "report")
    text = page.read_text()
    for name in ("run", "run-2", "later"):
        assert f'href="{name}/index.html"' in text
        assert 'class="run"' in (page.parent / name / "index.html").read_text()
    assert {path.name for path in (page.parent / "figures").iterdir()} == {
        "normalized.png",
        "normalized.svg",
    }
    (row,) = cells(text, "run-2")
    table = several[1].table
    assert table is not None
    best = smallest_not_worse(table[table["verdict"] != ""])
    assert best is not None
    assert row["smallest"] == best["variant"]
    assert float(row["return"].replace(",", "")) == pytest.approx(best["return_iqm"], abs=0.5)
    assert row["environment"] == "mujoco/Hopper-v4" and row["seeds"] == "4"
    (unfinished,) = cells(text, "later")
    assert unfinished["smallest"] == "not finished" and unfinished["return"] == "-"
    assert "later is not in the figure: it is not finished." in text


def test_the_smallest_is_the_one_with_the_fewest_bytes() -> None:
    rows = pd.DataFrame(
        [
            ("0.95", "not worse", "float32", 50.0, 0.95),
            ("0.9-int8", "not worse", "int8", 100.0, 0.9),
            ("0.99-int8", "undecided", "int8", 10.0, 0.99),
            ("0.998-int8", "not worse", "int8", 2.0, 0.998),  # behind one that is undecided
        ],
        columns=["variant", "verdict", "arithmetic", "nonzero", "target_sparsity"],
    ).assign(method="gradual", critic_sparsity=0.0)
    best = smallest_not_worse(rows)
    assert best is not None and best["variant"] == "0.9-int8"  # 100 bytes against 200
    assert smallest_not_worse(rows.iloc[2:]) is None


def test_the_figure_is_in_units_of_denses_gain_over_acting_at_random(
    several: list[Findings],
) -> None:
    figure = normalized.draw(several, ["one", "two", "later"])
    assert figure is not None
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    points = np.asarray(lines["one"].get_xydata())
    run = several[0].run
    dense = interquartile_mean(list(run.final_returns("0").values()))
    expected = [
        (interquartile_mean(list(run.final_returns(name).values())) - 20) / (dense - 20)
        for name in ("0", "0.9", "0.99")
    ]
    np.testing.assert_allclose(points, np.column_stack([[1, 10, 100], expected]), rtol=1e-9)
    assert "two" in lines and "later" not in lines


@pytest.mark.usefixtures("without_own_figures")
def test_each_method_of_a_run_has_a_row_and_a_line(make_run: MakeRun, tmp_path: Path) -> None:
    path = make_run("two", levels=(0.0, 0.5, 0.9), modes=("int8",), with_costs=False)
    records = json.loads((path / "variants.json").read_text())
    for name in ("0.5-int8", "0.9-int8"):
        records[name] |= {"method": "rigl", "arithmetic": "float32", "critic_sparsity": 0.0}
    (path / "variants.json").write_text(json.dumps(records))
    found = [analyse(Run(path)), analyse(Run(make_run("other", **SMALL)))]
    figure = normalized.draw(found, ["two", "other"])
    assert figure is not None
    labels = {str(line.get_label()) for line in figure.axes[0].lines}
    assert {"two, pruned", "two, rigl", "other"} <= labels
    rows = cells(write_page(found, tmp_path / "report").read_text(), "two")
    assert [row["method"] for row in rows] == ["gradual", "rigl"]
    assert rows[1]["environment"] == ""


@pytest.mark.usefixtures("without_own_figures")
def test_what_is_only_quantized_makes_no_row_of_a_method(make_run: MakeRun, tmp_path: Path) -> None:
    path = make_run("rigl", levels=(0.0, 0.9), modes=("int8",), with_costs=False)
    records = json.loads((path / "variants.json").read_text())
    for name in ("0.9", "0.9-int8"):
        records[name] |= {"method": "rigl"}
    (path / "variants.json").write_text(json.dumps(records))
    found = [analyse(Run(path)), analyse(Run(make_run("other", **SMALL)))]
    (row,) = cells(write_page(found, tmp_path / "report").read_text(), "rigl")
    assert row["method"] == "rigl" and row["dense"] != ""


def test_no_two_lines_of_forty_runs_look_alike(several: list[Findings]) -> None:
    names = [f"run {index}" for index in range(40)]
    figure = normalized.draw(several[:1] * 40, names)
    assert figure is not None
    lines = [line for line in figure.axes[0].lines if str(line.get_label()) in names]
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(lines) == 40 and len({str(look) for look in looks}) == 40


def test_what_lies_far_below_random_is_marked_and_does_not_stretch_the_axis(
    make_run: MakeRun,
) -> None:
    path = make_run("deep", **SMALL)
    rows = pd.read_csv(path / "metrics.csv", dtype={"variant": str})
    final = (rows.phase == "final") & (rows.metric == "return") & (rows.variant == "0.99")
    rows.loc[final, "value"] = -50_000.0
    rows.to_csv(path / "metrics.csv", index=False)
    figure = normalized.draw([analyse(Run(path))], ["deep"])
    assert figure is not None
    assert figure.axes[0].get_ylim()[0] == normalized.LOWEST
    (text,) = figure.axes[0].texts
    assert float(text.get_text()) < -15


def test_a_run_without_returns_of_acting_at_random_is_named(make_run: MakeRun) -> None:
    path = make_run("blind", **SMALL)
    rows = pd.read_csv(path / "metrics.csv")
    rows[rows.phase != "prefill"].to_csv(path / "metrics.csv", index=False)
    found = [analyse(Run(path))]
    assert normalized.draw(found, ["blind"]) is None
    (line,) = normalized.left_out(found, ["blind"])
    assert line.startswith("blind is not in the figure: its dense return, or that of acting at")


def test_names_that_come_again_are_numbered() -> None:
    assert distinct(["run", "run", "x", "run"]) == ["run", "run-2", "x", "run-3"]
