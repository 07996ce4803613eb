"""The sparsity schedule: what was asked for at each step and what the masks have."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import (
    BLUE,
    FAINT,
    drawn,
    horizontal_grid,
    steps_on,
)
from sparse_rl.report.figures.phase_shading import shade
from sparse_rl.report.findings import Findings
from sparse_rl.report.phases import asked_sparsity, phases, setting

TITLE = "Sparsity over training"


def caption(findings: Findings) -> str:
    """What to see."""
    return (
        "The points (sparsity of the masks, mean over seeds) should lie on the lines (the cubic "
        "schedule asked for) and stay there once pruning has ended."
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Asked sparsity as lines, achieved as points; None where no mask was measured."""
    metrics, config = findings.run.metrics, findings.run.config
    rows = metrics[
        (metrics["metric"] == "sparsity")
        & (metrics["quantization"] == "float32")
        & (metrics["sparsity"] > 0)
    ]
    if rows.empty:
        return None
    spans = [phase for phase in phases(config) if phase.name != "int8"]
    figure = Figure(figsize=(5.9, 3.2))
    axes = figure.add_subplot()
    shade(axes, spans, names=True)
    steps = np.linspace(0, float(setting(config, "training.steps")), 601)
    for level, arm in rows.groupby("sparsity"):
        asked = float(str(level))
        axes.plot(steps, 100 * asked_sparsity(config, asked, steps), color=FAINT, linewidth=1.0)
        achieved = arm.groupby("step")["value"].mean()
        axes.plot(achieved.index, 100 * achieved, "o", color=BLUE, ms=3.2, clip_on=False, zorder=5)
    _label_levels(axes, sorted(float(str(level)) for level in rows["sparsity"].unique()))
    axes.plot([], [], color=FAINT, linewidth=1.0, label="asked for")
    axes.plot([], [], "o", color=BLUE, ms=3.2, label="achieved")
    axes.set_ylim(0, 103)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("sparsity, %")
    steps_on(axes)
    horizontal_grid(axes)
    axes.legend(loc="upper left")
    return figure


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
