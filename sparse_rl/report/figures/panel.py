"""The panel: return against sparsity for pruned, pruned + int8, int8 alone and dense."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import (
    FAINT,
    INK,
    PAPER,
    Series,
    drawn,
    factor,
    horizontal_grid,
    legend_below,
    series_of,
    sparsity_ticks,
)
from sparse_rl.report.findings import Findings
from sparse_rl.report.published import STEPS, published_returns
from sparse_rl.runs.settings import number, text
from sparse_rl.summary.final_table import final_returns
from sparse_rl.summary.kinds import by_kind

TITLE = "Return against sparsity"


def caption(findings: Findings) -> str:
    """What to see."""
    environment = text(findings.run.settings, "environment")
    steps = int(number(findings.run.settings, "training.steps"))
    own = "" if steps == STEPS else f"; this run has {steps:,} steps"
    marks = (
        " Grey crosses and pluses are the means that Ivanov et al. (2024) published for this task "
        f"({STEPS:,} steps, 10 seeds), before and after int8{own}."
        if published_returns(environment)
        else ""
    )
    return (
        "Compression costs return where a line falls below the dashed one (dense, with its grey "
        "band): interquartile means over seeds with 95 % bootstrap intervals." + marks
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """The panel of a finished run; None before, and where all members have failed."""
    if findings.table is None or not (findings.table["seeds"] > 0).any():
        return None
    figure = Figure(figsize=(5.9, 4.3))
    axes = figure.add_subplot()
    table = findings.table
    levels = list(table["target_sparsity"].unique())
    returns = final_returns(findings.run.metrics)
    ends = (0.93, factor(max(levels)) * 1.08)
    for _, dense in table[table["verdict"] == ""].iterrows():
        _level_line(axes, ends, dense, Series("dense", INK, (0, (7, 3)), ""), band=True)
    looks = series_of(table)
    for kind, rows in by_kind(table):
        series = looks[kind]
        if not kind.is_dense:
            for _, alone in rows[rows["target_sparsity"] == 0].iterrows():
                _level_line(axes, ends, alone, Series(kind.alone, series.color, (0, (1, 2)), ""))
        if len(looks) == 1 or set(rows["verdict"]) != {""}:  # dense alone has its line already
            _line(axes, rows, series, returns)
    _published(axes, text(findings.run.settings, "environment"), levels)
    sparsity_ticks(axes, levels)
    axes.set_xlim(*ends)
    axes.set_ylabel("return, interquartile mean")
    horizontal_grid(axes)
    legend_below(axes)
    return figure


def _line(axes: Axes, rows: pd.DataFrame, series: Series, returns: dict[str, pd.Series]) -> None:
    rows = rows[rows["seeds"] > 0].sort_values("target_sparsity")
    if rows.empty:
        return
    place = factor(rows["target_sparsity"].to_numpy(float))
    axes.fill_between(
        place, rows["return_low"], rows["return_high"], color=series.color, alpha=0.13, lw=0
    )
    if rows["return_low"].isna().any():
        for where, variant in zip(place, rows["variant"], strict=True):
            seeds = returns[variant].to_numpy(float)
            axes.plot(np.full(len(seeds), where), seeds, ".", color=series.color, alpha=0.5, ms=4)
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


def _published(axes: Axes, environment: str, levels: list[float]) -> None:
    shown = [row for row in published_returns(environment) if row.sparsity <= max(levels)]
    if not shown:
        return
    place = [factor(row.sparsity) for row in shown]
    for values, mark, label in (
        ([row.float32 for row in shown], "x", "published, pruned"),
        ([row.int8 for row in shown], "+", "published, pruned + int8"),
    ):
        axes.plot(place, values, mark, color=FAINT, ms=6, mew=1.3, label=label, zorder=2)
