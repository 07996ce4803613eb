"""Return between acting at random (0) and dense (1), against sparsity: a panel for each study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.studies import FLOAT32, INT8, Study
from sparse_rl.report.figures.appearance import BLUE, SETTINGS, VERMILLION

BOTTOM, TOP = -0.14, 1.82
"""What is shown of the vertical axis; an interval that goes on has an arrow at its end."""
COLLAPSED = 0.5
"""Below this a point has its value beside it."""
SHIFT = 0.035
"""Of each arithmetic to its side, so that the intervals of both are seen."""
WIDTH, HEIGHT, COLUMNS = 9.6, 2.75, (4, 3)
LABEL_WIDTH = 0.4
"""Least distance of two labels of the horizontal axis, as `place` has it."""
LONGEST_TITLE = 22
"""Letters that have room over a panel."""


class Look(NamedTuple):
    """Colors of one picture; `page` is what it lies on, `paper` what is around its marks."""

    ink: str
    faint: str
    grid: str
    paper: str
    float32: str
    int8: str
    page: str


LIGHT = Look("#1b1c1d", "#6b6c6e", "#dcddde", "#ffffff", BLUE, VERMILLION, "#ffffff")
DARK = Look("#e6e8ea", "#9aa0a6", "#3a4048", "#14181f", "#56b4e9", "#ff9e4a", "none")


def place(sparsity: Any) -> Any:
    """Where a sparsity lies: log(5 + factor), the factor being the weights per surviving weight.

    Like a logarithmic axis at high factors, so that 90, 95, 98 and 99 % stand apart; dense, whose
    factor is 1, stays near them.
    """
    return np.log(5 + 1 / (1 - np.asarray(sparsity, float)))


def tick_labels(levels: Sequence[float]) -> list[str]:
    """Each level's, from dense on; none where it would run into the one before."""
    labels: list[str] = []
    last = -np.inf
    for level in levels:
        has_room = place(level) - last >= LABEL_WIDTH
        labels.append((f"{100 * level:g}" if level else "dense") if has_room else "")
        last = place(level) if has_room else last
    return labels


def heading(study: Study) -> str:
    """Over a panel, two lines: the task, and how it was trained and pruned."""
    steps = study.run.config.training.steps
    unit = f"{steps / 1e6:g}M" if steps >= 1_000_000 else f"{steps / 1000:g}k"
    seeds = study.run.config.seeds
    how = ", ".join([study.distribution, *study.other_methods])
    return f"{study.task}\n{study.agent}, {seeds} seeds, {unit} steps, {how}"


def draw(studies: list[Study], look: Look) -> Figure:
    """The picture: up to four panels in a row, all with the same axes, a task's side by side."""
    settings = {
        **SETTINGS,
        "text.color": look.ink,
        "axes.edgecolor": look.faint,
        "xtick.color": look.faint,
        "ytick.color": look.faint,
        "xtick.labelcolor": look.ink,
        "ytick.labelcolor": look.ink,
        "figure.facecolor": look.paper,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
    }
    with matplotlib.rc_context(settings):
        count = max(1, len(studies))
        columns = min(count, min(COLUMNS, key=lambda wide: -count % wide))  # fewest empty places
        rows = -(-count // columns)
        figure = Figure(figsize=(WIDTH, HEIGHT + 2.35 * (rows - 1) + 0.35), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        levels = sorted({level for study in studies for level in study.table["target_sparsity"]})
        tasks = [study.task for study in studies]
        studies = sorted(studies, key=lambda study: tasks.index(study.task))
        for number, (axes, study) in enumerate(zip(grid.flat, studies, strict=False)):
            again = tasks.count(study.task) > 1
            which = study.distribution if study.method == "gradual" else study.method
            _panel(axes, study, levels, look, f" ({which})" if again else "")
            if number + columns >= count:  # nothing is drawn under it
                axes.tick_params(labelbottom=True)
                axes.set_xlabel("sparsity of the policy, %", fontsize=9, color=look.ink)
        for axes in grid.flat[len(studies) :]:
            axes.set_visible(False)
        grid[0, 0].set_yticks([0, 0.5, 1, 1.5], ["random  0", "0.5", "dense  1", "1.5"])
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=len(labels),
            fontsize=9,
            labelcolor=look.ink,
        )
        return figure


def _panel(axes: Axes, study: Study, levels: list[float], look: Look, which: str) -> None:
    task, _, how = heading(study).partition("\n")
    title = task + which
    size = 10.5 * min(1.0, LONGEST_TITLE / len(title))  # a longer one would run into the next
    axes.set_title(title, fontsize=size, color=look.ink, pad=17)
    axes.text(
        0,
        1.035,
        how,
        transform=axes.transAxes,
        fontsize=8,
        color=look.faint,
    )
    for value, line in ((0, (0, (1, 2))), (1, (0, (6, 3)))):
        axes.axhline(value, color=look.faint, lw=1, ls=line, zorder=1)
    axes.grid(axis="y", color=look.grid, lw=0.6)
    axes.spines["left"].set_visible(False)
    axes.set_xticks(place(levels), tick_labels(levels))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(place(0.0) - 0.25, place(max(levels)) + 0.45)
    axes.set_ylim(BOTTOM, TOP)
    _line(axes, study.normalized(FLOAT32), -SHIFT, look.float32, "o", "-", look, "float32")
    _line(axes, study.normalized(INT8), SHIFT, look.int8, "s", (0, (4, 1.5)), look, "int8")
    _values(axes, study, look)


def _line(
    axes: Axes,
    points: pd.DataFrame,
    shift: float,
    color: str,
    mark: str,
    line: Any,
    look: Look,
    label: str,
) -> None:
    """One arithmetic: points with their intervals over seeds, joined by a line."""
    if points.empty:
        return
    where = place(points["level"]) + shift
    for x, low, high in zip(where, points["low"], points["high"], strict=True):
        if not np.isfinite(low):
            continue
        axes.plot([x, x], [max(low, BOTTOM), min(high, TOP)], color=color, lw=1.6, alpha=0.75)
        if high > TOP:
            axes.plot(x, TOP, "^", color=color, ms=5, clip_on=False)
        if low < BOTTOM:
            axes.plot(x, BOTTOM, "v", color=color, ms=5, clip_on=False)
    axes.plot(
        where,
        points["value"],
        color=color,
        ls=line,
        lw=1.5,
        marker=mark,
        ms=5.5,
        mec=look.paper,
        mew=0.8,
        zorder=4,
        label=label,
    )


def _values(axes: Axes, study: Study, look: Look) -> None:
    """Values to the right of points that collapsed, one above the other where lines fall."""
    both = [(study.normalized(INT8), look.int8), (study.normalized(FLOAT32), look.float32)]
    for level in sorted({float(level) for points, _ in both for level in points["level"]}):
        lines = [
            (value, color)
            for points, color in both
            for value in points.loc[points["level"] == level, "value"]
            if value < COLLAPSED
        ]
        for number, (value, color) in enumerate(lines):
            axes.annotate(
                f"{value:.2f}",
                (place(level) + SHIFT, max(value for value, _ in lines)),
                (5, 3 + 10 * number),
                textcoords="offset points",
                fontsize=8,
                color=color,
            )
