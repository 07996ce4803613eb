"""What the figures draw, read back from their artists; how they look is checked in a browser."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sparse_rl.report.figures import (
    density,
    differences,
    fan_out,
    frontier,
    learning_curves,
    panel,
    schedule,
)
from sparse_rl.report.figures.appearance import figure_bytes, inline_svg, series_of
from sparse_rl.report.figures.phase_shading import shade
from sparse_rl.report.findings import Findings, analyse
from sparse_rl.report.phases import Phase
from sparse_rl.report.published import published_returns
from sparse_rl.runs.metrics import Row, joined, table_of
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.summary.kinds import Kind

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def findings(finished_run: Path) -> Findings:
    return analyse(Run(finished_run))


def axes_of(figure: Figure | None) -> Axes:
    assert figure is not None
    return figure.axes[0]


def line(axes: Axes, label: str) -> np.ndarray:
    found = [one for one in axes.lines if one.get_label() == label]
    assert len(found) == 1, label
    return np.asarray(found[0].get_xydata())


def test_panel_draws_the_table_at_compression_factors(findings: Findings) -> None:
    assert findings.table is not None
    axes = axes_of(panel.draw(findings))
    points = line(axes, "pruned + int8")
    np.testing.assert_allclose(points[:, 0], [1, 2, 5, 10, 20, 50, 100])
    rows = findings.table[findings.table["arithmetic"] == "int8"]
    np.testing.assert_allclose(points[:, 1], rows["return_iqm"])
    dense = findings.table.set_index("variant").loc["0", "return_iqm"]
    np.testing.assert_allclose(line(axes, "dense")[:, 1], dense)


def test_panel_marks_the_published_numbers_of_this_task_alone(
    findings: Findings, make_run: MakeRun
) -> None:
    points = line(axes_of(panel.draw(findings)), "published, pruned")
    np.testing.assert_allclose(points[:, 1], [2646, 2913, 2526, 2834, 2965, 3017, 2985])
    other = analyse(Run(make_run(environment="brax/hopper?backend=spring")))
    labels = {str(one.get_label()) for one in axes_of(panel.draw(other)).lines}
    assert not any("published" in label for label in labels)
    assert "published" not in panel.caption(other)


def test_panel_says_when_its_budget_is_not_the_published_one(findings: Findings) -> None:
    steps = findings.run.settings["training"]["steps"]
    assert steps != 1_000_000
    assert f"(1,000,000 steps, 10 seeds), before and after int8; this run has {steps:,} steps." in (
        panel.caption(findings)
    )


@pytest.mark.parametrize(
    ("environment", "agent", "first"),
    [
        ("mujoco/HalfCheetah-v4", "sac", 9718),
        ("mujoco/Swimmer-v4", "sac", 47),
        ("mujoco/Hopper-v5", "sac", None),
        ("mujoco/HalfCheetah-v4", "ppo", None),
    ],
)
def test_published_numbers(environment: str, agent: str, first: float | None) -> None:
    rows = published_returns(environment, agent)
    assert (rows[0].float32 if rows else None) == first


def test_differences_fill_the_marks_of_arms_that_are_not_worse(findings: Findings) -> None:
    axes = axes_of(differences.draw(findings))
    marks = [one for one in axes.lines if len(one.get_xdata()) == 1]
    hollow = [one for one in marks if one.get_markerfacecolor() != one.get_markeredgecolor()]
    assert findings.table is not None
    verdicts = findings.table["verdict"]
    assert len(marks) == (verdicts != "").sum()
    assert len(hollow) == (verdicts == "worse").sum() + (verdicts == "undecided").sum() > 0


def test_differences_need_intervals(make_run: MakeRun) -> None:
    assert differences.draw(analyse(Run(make_run(seeds=2)))) is None


@pytest.mark.parametrize("seeds", [1, 2])
def test_panel_shows_the_seeds_themselves_where_they_are_too_few(
    make_run: MakeRun, seeds: int
) -> None:
    axes = axes_of(panel.draw(analyse(Run(make_run(seeds=seeds, levels=(0.0, 0.9))))))
    clouds = [one for one in axes.lines if one.get_marker() == "."]
    assert [len(one.get_xdata()) for one in clouds] == 4 * [seeds]


def test_learning_curves_have_a_plot_for_each_pruned_level(findings: Findings) -> None:
    figure = learning_curves.draw(findings)
    assert figure is not None
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["50 %", "80 %", "90 %", "95 %", "98 %", "99 %"]
    pruned = line(figure.axes[0], "pruned")
    assert pruned[0, 0] == 20_000, "begins where the variants fork"
    assert line(figure.axes[0], "pruned + int8")[-1, 0] == 120_000


def test_a_member_that_failed_does_not_shorten_the_curves_of_the_others(
    make_run: MakeRun,
) -> None:
    metrics = Run(make_run(seeds=4, levels=(0.0, 0.9))).metrics
    failed = (metrics["seed"] == 2) & (metrics["sparsity"] == 0.9) & (metrics["step"] > 50_000)
    curve = learning_curves.evaluation_curves(metrics[~failed])[0.9, Kind()]
    assert list(curve.columns) == [0, 1, 3]
    assert curve.index[-1] == 100_000


def test_an_int8_curve_of_one_evaluation_is_seen_from_where_it_forked() -> None:
    rows = [
        Row(step, phase, seed, variant, "return", value + seed)
        for seed in (0, 1, 2)
        for step, phase, variant, value in (
            (10, "dense", "0", 1.0),
            (20, "finetune", "0", 2.0),
            (20, "finetune", "0.9", 3.0),
            (30, "quantize", "0.9-int8", 4.0),
        )
    ]
    int8 = Variant(sparsity=0.9, arithmetic="int8")
    variants = {one.name: one for one in (DENSE, Variant(sparsity=0.9), int8)}
    curves = learning_curves.evaluation_curves(joined(table_of(rows), variants))
    whole = learning_curves._joined(curves, fork=10)
    assert whole[0.9, Kind()][0].to_dict() == {10: 1.0, 20: 3.0}
    assert whole[0.9, Kind(arithmetic="int8")][1].to_dict() == {20: 4.0, 30: 5.0}
    assert whole[0.0, Kind()][2].to_dict() == {10: 3.0, 20: 4.0}


def test_schedule_draws_what_was_asked_and_achieved(findings: Findings) -> None:
    axes = axes_of(schedule.draw(findings))
    achieved = [one for one in axes.lines if one.get_marker() == "o" and len(one.get_xdata())]
    steps, values = np.asarray(achieved[-1].get_xydata()).T
    done = np.clip((steps - 20_000) / 60_000, 0, 1)
    np.testing.assert_allclose(values, 99 * (1 - (1 - done) ** 3), atol=0.02)


def test_the_schedules_legend_covers_no_level_of_a_method_that_is_sparse_from_the_start(
    make_run: MakeRun,
) -> None:
    path = make_run(levels=(0.0, 0.9), modes=(), with_costs=False)
    records = json.loads((path / "variants.json").read_text())
    records["0.9"] |= {"method": "rigl"}
    (path / "variants.json").write_text(json.dumps(records))
    axes = axes_of(schedule.draw(analyse(Run(path))))
    legend = axes.get_legend()
    assert legend is not None
    box = legend.get_window_extent(FigureCanvasAgg(axes.figure).get_renderer())  # type: ignore[arg-type]
    level = axes.transData.transform((0, 90))[1]
    assert not box.y0 <= level <= box.y1


def test_a_method_has_its_color_and_mark_in_the_schedule_too(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.9, 0.99), modes=("integer",), with_costs=False)
    records = json.loads((path / "variants.json").read_text())
    for name, method in (("0.9", "rigl"), ("0.99", "set")):
        records[name] |= {"method": method}
        records[f"{name}-integer"] |= {"method": method}
    (path / "variants.json").write_text(json.dumps(records))
    run = Run(path)
    looks = series_of(run.metrics)
    found = axes_of(schedule.draw(analyse(run))).get_legend_handles_labels()
    drawn = {label: one for one, label in zip(*found, strict=True)}
    for method in ("rigl", "set"):
        look, point = looks[Kind(method)], drawn[f"achieved, {method}"]
        assert isinstance(point, Line2D)
        assert (point.get_color(), point.get_marker()) == (look.color, look.mark)


def test_a_phase_is_shaded_and_named_until_the_next_begins() -> None:
    axes = Figure(figsize=(8, 3)).add_subplot()
    dense_for_another, prune = Phase("dense", 0, 900), Phase("prune", 100, 1000)
    shade(axes, [dense_for_another, prune], names=True)
    assert [(one.get_text(), one.xy[0]) for one in axes.texts] == [("dense", 50), ("prune", 550)]  # type: ignore[attr-defined]
    assert len(axes.patches) == 1


def test_fine_tuning_is_not_shaded_where_nothing_is_pruned_before_it() -> None:
    axes = Figure(figsize=(8, 3)).add_subplot()
    spans = [Phase("prefill", 0, 10), Phase("fine-tune", 10, 100), Phase("int8", 100, 120)]
    shade(axes, spans, names=True)
    assert [one.get_x() for one in axes.patches] == [100]  # type: ignore[attr-defined]


def test_density_is_in_per_cent_of_each_layer(findings: Findings) -> None:
    axes = axes_of(density.draw(findings))
    assert [one.get_text() for one in axes.get_yticklabels()] == ["hidden_0", "hidden_1", "mean"]
    values = np.asarray(axes.collections[0].get_array())
    np.testing.assert_allclose(values[0], [100, 50, 20, 10, 5, 2, 1])


def test_dense_is_of_no_method_in_the_density(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.9), modes=(), with_costs=False)
    records = json.loads((path / "variants.json").read_text())
    records["0.9"] |= {"method": "rigl"}
    (path / "variants.json").write_text(json.dumps(records))
    labels = axes_of(density.draw(analyse(Run(path)))).get_xticklabels()
    assert [one.get_text() for one in labels] == ["0 %", "90 %\nrigl"]


def test_fan_out_has_a_row_for_each_pruned_level(findings: Findings) -> None:
    values = np.asarray(axes_of(fan_out.draw(findings)).collections[0].get_array())
    assert values.shape == (6, 11)
    # The made-up weights grow with the input's index, and so does what survives of them.
    assert (np.diff(values[0]) > -5).all() and values[0, -1] > 3 * values[0, 0]


def test_frontier_needs_costs(findings: Findings, make_run: MakeRun) -> None:
    figure = frontier.draw(findings)
    assert figure is not None and len(figure.axes) == 3
    assert line(figure.axes[0], "pruned")[0, 0] == 300 + 5 * 4992
    assert frontier.draw(analyse(Run(make_run(with_costs=False)))) is None


def test_a_frontier_names_the_levels_of_a_method_that_is_not_gradual(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.5, 0.9))
    records = json.loads((path / "variants.json").read_text())
    for name in ("0.5", "0.9", "0.5-int8", "0.9-int8"):
        records[name] |= {"method": "rigl"}
    (path / "variants.json").write_text(json.dumps(records))
    axes = axes_of(frontier.draw(analyse(Run(path))))
    assert {text.get_text() for text in axes.texts} == {"50 %", "90 %"}
    labels = {str(one.get_label()) for one in axes.lines}
    assert "rigl" in labels and "pruned" not in labels  # nothing was, gradually


def test_the_same_figure_gives_the_same_bytes(findings: Findings) -> None:
    first, second = (figure_bytes(density.draw(findings), "svg", "x") for _ in range(2))  # type: ignore[arg-type]
    assert first == second


def test_inline_figures_take_their_colors_from_the_page(findings: Findings) -> None:
    figure = panel.draw(findings)
    assert figure is not None
    element = inline_svg(figure_bytes(figure, "svg", "x"), "run-panel", 'say "what" to see')
    assert element.startswith('<svg role="img" aria-label="say &quot;what&quot; to see"')
    assert "var(--ink)" in element and "var(--blue)" in element
    background = re.search(r'id="run-panel-patch_1".*?fill: ([^";]+)', element, re.DOTALL)
    assert background is not None and background[1] == "none"
    # Whatever is left of fixed colours would be illegible on one of the backgrounds.
    assert set(re.findall(r"#[0-9a-f]{6}\b", element)) == set()


def test_every_method_has_a_line_and_a_look_of_its_own(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.5, 0.9), with_costs=False)
    records = json.loads((path / "variants.json").read_text())
    records["0.5-int8"] |= {"method": "rigl"}
    records["0.9-int8"] |= {"method": "rigl"}
    (path / "variants.json").write_text(json.dumps(records))
    findings = analyse(Run(path))
    axes = axes_of(panel.draw(findings))
    gradual, rigl = line(axes, "gradual"), line(axes, "rigl + int8")
    np.testing.assert_allclose(gradual[:, 0], [1, 2, 10])
    np.testing.assert_allclose(rigl[:, 0], [2, 10])
    assert findings.table is not None
    returns = findings.table.set_index("variant")["return_iqm"]
    np.testing.assert_allclose(rigl[:, 1], returns[["0.5-int8", "0.9-int8"]])
    looks = list(series_of(findings.table).values())
    assert len({(look.color, str(look.line), look.mark) for look in looks}) == len(looks) == 3
    # What is not pruned is of no method, and stands in a legend once.
    assert [look.label for look in looks] == ["gradual", "int8 only", "rigl + int8"]
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names.count("int8 only") == 1 and "gradual + int8" not in names
    curves = learning_curves.draw(findings)
    assert curves is not None and len(line(curves.axes[0], "rigl + int8")) > 2
