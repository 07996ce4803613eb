"""The panel: return against sparsity for pruned, pruned + int8, int8 alone and dense."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import (
    FAINT,
    INK,
    PAPER,
    WIDTH,
    Series,
    columns_of,
    drawn,
    factor,
    horizontal_grid,
    legend_below,
    series_of,
    sparsity_ticks,
)
from sparse_rl.report.figures.clipping import (
    Below,
    caption_of,
    collapsed_below,
    end_at,
    floor_of,
    mark_below,
)
from sparse_rl.report.findings import Findings
from sparse_rl.report.levels import labels, reached
from sparse_rl.report.published import STEPS, Published, published_returns
from sparse_rl.runs.settings import number, text
from sparse_rl.summary.final_table import OF_DENSE, final_returns
from sparse_rl.summary.kinds import by_kind

TITLE = "Return against sparsity"
ASIDE = 0.018
"""How far the seeds of the kinds stand apart at one level, on the log axis."""


def caption(findings: Findings) -> str:
    """What to see."""
    environment = text(findings.run.settings, "environment")
    steps = int(number(findings.run.settings, "training.steps"))
    own = "" if steps == STEPS else f"; this run has {steps:,} steps"
    marks = (
        " Grey crosses and pluses are the means that Ivanov et al. (2024) published for this task "
        f"({STEPS:,} steps, 10 seeds), before and after int8{own}."
        if published_returns(environment, text(findings.run.settings, "agent.name"))
        else ""
    )
    cut = caption_of(_floor(findings))
    return (
        "Compression costs return where a line falls below the dashed one (dense, with its grey "
        "band): interquartile means over seeds with 95 % bootstrap intervals (from three seeds "
        "on); each dot is a seed." + cut + marks
    )


@drawn
def draw(findings: Findings, width: float = WIDTH) -> Figure | None:
    """The panel of a finished run, so many inches wide; None before, and where all have failed."""
    if findings.table is None or not (findings.table["seeds"] > 0).any():
        return None
    figure = Figure(figsize=(width, 4.3))
    axes = figure.add_subplot()
    table = findings.table
    levels, places = list(table["target_sparsity"].unique()), reached(table)
    returns = final_returns(findings.run.metrics)
    ends = (0.93, max(factor(max(places.values())) * 1.08, 1.15))
    for _, dense in table[table["verdict"] == OF_DENSE].iterrows():
        _level_line(axes, ends, dense, Series("dense", INK, (0, (7, 3)), ""), band=True)
    looks, below, floor = series_of(table), [], _floor(findings)
    for index, (kind, rows) in enumerate(by_kind(table)):
        series = looks[kind]
        if not kind.is_dense:
            for _, alone in rows[rows["target_sparsity"] == 0].iterrows():
                _level_line(axes, ends, alone, Series(kind.alone, series.color, (0, (1, 2)), ""))
            if series.label == kind.alone:  # which stands in the legend now
                series = series._replace(label="_")
        has_its_line = set(rows["verdict"]) == {OF_DENSE}
        if len(looks) == 1 or not has_its_line:
            aside = 10 ** ((index - (len(looks) - 1) / 2) * ASIDE)
            below += _line(axes, rows, series, returns, places, aside, floor)
    settings = findings.run.settings
    shown = published_returns(text(settings, "environment"), text(settings, "agent.name"))
    _published(axes, [row for row in shown if row.sparsity <= max(levels)])
    sparsity_ticks(axes, labels(table), ends)
    end_at(axes, floor)
    mark_below(axes, floor, below)
    axes.set_ylabel("return, interquartile mean")
    horizontal_grid(axes)
    legend_below(axes, columns=columns_of(width, 4))
    return figure


def _floor(findings: Findings) -> float:
    """Where the axis of returns ends."""
    table, metrics = findings.table, findings.run.metrics
    assert table is not None
    seeds = pd.concat(list(final_returns(metrics).values())).to_numpy(float)
    shown = [*seeds, *table["return_low"], *table["return_iqm"]]
    return floor_of(shown, collapsed_below(table, metrics))


def _line(
    axes: Axes,
    rows: pd.DataFrame,
    series: Series,
    returns: dict[str, pd.Series],
    places: dict[float, float],
    aside: float,
    floor: float,
) -> list[Below]:
    """One kind's line with its band, and its seeds as dots a little aside; what lies below."""
    rows = rows[rows["seeds"] > 0].sort_values("target_sparsity")
    if rows.empty:
        return []
    place = factor(rows["target_sparsity"].map(places).to_numpy(float))
    axes.fill_between(
        place, rows["return_low"], rows["return_high"], color=series.color, alpha=0.13, lw=0
    )
    below = []
    for where, row in zip(place, rows.to_dict("records"), strict=True):
        seeds = returns[row["variant"]].to_numpy(float)
        spot = np.full(len(seeds), where * aside)
        axes.plot(spot, seeds, ".", color=series.color, alpha=0.6, ms=4.5, mew=0)
        hidden = _hidden(seeds, row["return_iqm"], floor)
        below += [Below(where * aside, value, series.color) for value in hidden]
    axes.plot(
        place,
        rows["return_iqm"],
        color=series.color,
        linestyle=series.line,
        marker=series.mark,
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
        label=series.label,
        zorder=4,
    )
    return below


def _hidden(seeds: Float[np.ndarray, " seeds"], middle: float, floor: float) -> list[float]:
    """What lies below the axis: a variant's mean or, where that is shown, single seeds of it."""
    return [middle] if middle < floor else sorted(seed for seed in seeds if seed < floor)


def _level_line(
    axes: Axes, ends: tuple[float, float], row: pd.Series, series: Series, band: bool = False
) -> None:
    if row["seeds"] == 0:
        return
    axes.plot(
        ends,
        [row["return_iqm"]] * 2,
        color=series.color,
        linestyle=series.line,
        linewidth=1.4,
        label=series.label,
        zorder=3,
    )
    if band and np.isfinite(row["return_low"]):
        axes.fill_between(
            ends, row["return_low"], row["return_high"], color=INK, alpha=0.08, lw=0, zorder=1
        )


def _published(axes: Axes, shown: Sequence[Published]) -> None:
    if not shown:
        return
    place = [factor(row.sparsity) for row in shown]
    for values, mark, label in (
        ([row.float32 for row in shown], "x", "published, pruned"),
        ([row.int8 for row in shown], "+", "published, pruned + int8"),
    ):
        axes.plot(place, values, mark, color=FAINT, ms=6, mew=1.3, label=label, zorder=2)
