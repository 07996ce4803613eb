"""The sparsity schedule: what was asked for at each step and what the masks have."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import (
    FAINT,
    Series,
    drawn,
    horizontal_grid,
    legend_below,
    series_of,
    steps_on,
)
from sparse_rl.report.figures.phase_shading import shade
from sparse_rl.report.findings import Findings
from sparse_rl.report.phases import phases, target_sparsity
from sparse_rl.summary.kinds import by_kind

TITLE = "Sparsity over training"
MARK = 3.2
"""Points that a mark is wide."""


def caption(findings: Findings) -> str:
    """What to see."""
    return (
        "The points (sparsity of the masks, mean over seeds) should lie on the lines (what the "
        "method asks for: gradual pruning a cubic rise, others all at once) and stay there once "
        "pruning has ended."
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Targets as lines, what was achieved as points; None where no mask was measured."""
    metrics, record = findings.run.metrics, findings.run.record
    rows = metrics[
        (metrics["metric"] == "sparsity")
        & (metrics["arithmetic"] == "float32")
        & (metrics["critic_sparsity"] == 0)
        & (metrics["sparsity"] > 0)
    ]
    if rows.empty:
        return None
    spans = [phase for phase in phases(record) if phase.name != "int8"]
    figure = Figure(figsize=(7.2, 3.2))
    axes = figure.add_subplot()
    shade(axes, spans, names=True)
    steps = np.linspace(0, spans[-1].end, 601)
    looks = series_of(metrics)  # as in the other figures
    shown = [looks[kind] for kind, _ in by_kind(rows)]
    for kind, own in by_kind(rows):
        for level, variant in own.groupby("sparsity"):
            if kind.has_target:
                asked = target_sparsity(record, kind.method, float(str(level)), steps)
                axes.plot(steps, 100 * asked, color=FAINT, linewidth=1.0)
            _achieved(axes, variant, looks[kind])
    _label_levels(axes, sorted(float(str(level)) for level in rows["sparsity"].unique()))
    axes.plot([], [], color=FAINT, linewidth=1.0, label="asked for")
    for look in shown:
        label = "achieved" if len(shown) == 1 else f"achieved, {look.label}"
        axes.plot([], [], look.mark, color=look.color, ms=MARK, label=label)
    axes.set_ylim(0, 103)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("sparsity, %")
    steps_on(axes)
    horizontal_grid(axes)
    legend_below(axes, columns=3)
    return figure


def _achieved(axes: Axes, rows: pd.DataFrame, look: Series) -> None:
    mean = rows.groupby("step")["value"].mean()
    axes.plot(mean.index, 100 * mean, look.mark, color=look.color, ms=MARK, clip_on=False, zorder=5)


def _label_levels(axes: Axes, levels: list[float]) -> None:
    """Names of the levels at the right end, moved apart where they would overlap."""
    least, highest = 5.4, 105.0
    heights = np.array([100 * level for level in levels])
    for _ in range(200):
        gaps = np.diff(heights)
        short = np.maximum(least - gaps, 0) / 2
        heights[:-1] -= short
        heights[1:] += short
        heights = np.minimum(heights, highest)
    for level, height in zip(levels, heights, strict=True):
        axes.annotate(
            f"{100 * level:g} %",
            (1.012, 100 * level),
            xycoords=("axes fraction", "data"),
            xytext=(1.04, height),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6},
        )
