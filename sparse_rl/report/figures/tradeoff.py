"""Return against bytes, and against microseconds, of the candidates of a compression."""

from __future__ import annotations

import math
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sparse_rl.report.figures.appearance import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    PURPLE,
    SKY,
    VERMILLION,
    drawn,
    horizontal_grid,
    short_number,
)
from sparse_rl.report.figures.clipping import Below, collapsed, end_at, floor_of, mark_below
from sparse_rl.summary.final_table import OF_DENSE

TITLE = "Return against size and time"
AXES = {"bytes": "bytes of the packed file", "microseconds": "microseconds of an action, in C"}
NUMBERED = 6
"""Collapsed candidates whose returns are written beside their arrows; of more the table tells."""
_COLORS = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY)
_MARKS = ("s", "o", "^", "D", "v", "P", "X")
"""One more than colors, so that the pairs repeat after 42 kinds of candidates only."""


@drawn
def draw(table: pd.DataFrame, random: float, chosen: str | None) -> Figure:
    """Two panels, logarithmic to the right, with intervals; the original's return as a line.

    `table` is `selection.table.table_of`; what is drawn alike is made by the same passes.
    """
    measured = table["microseconds"].notna().any()
    kinds = [key for key in AXES if key == "bytes" or measured]
    figure = Figure(figsize=(4.6 * len(kinds), 3.9), layout="constrained")
    groups = dict.fromkeys(table.loc[table["verdict"] != OF_DENSE, "family"])
    looks = dict(zip(groups, zip(cycle(_COLORS), cycle(_MARKS), strict=False), strict=False))
    floor = _floor(table, random)
    for index, key in enumerate(kinds):
        axes = figure.add_subplot(1, len(kinds), index + 1)
        _panel(axes, table, key, looks, random, chosen, floor)
        if index == 0:
            axes.set_ylabel("return, with 95 % interval")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(4, max(1, len(labels))), fontsize=8.5
    )
    return figure


def caption(table: pd.DataFrame, random: float, over: str) -> str:
    """What is seen, and what the intervals are over."""
    below = (table["return"] < _floor(table, random)).any()
    return (
        "Every candidate by the bytes of its file and by the time of one action; up and to the "
        f"left is better. Bars: 95 % intervals over {over}. The line is the original's return, the "
        "ring the candidate that is delivered."
        + (" Arrows: what lies below the end of the axis." if below else "")
    )


def _floor(table: pd.DataFrame, random: float) -> float:
    """Where the axis of returns ends: what has collapsed takes none of its height."""
    original = float(table.loc[table["verdict"] == OF_DENSE, "return"].iloc[0])
    lowest = [*table["low"].fillna(table["return"]), original]
    return floor_of(lowest, collapsed(original, random))


def _panel(
    axes: Axes,
    table: pd.DataFrame,
    key: str,
    looks: dict[str, tuple[str, str]],
    random: float,
    chosen: str | None,
    floor: float,
) -> None:
    below = []
    for group, (color, mark) in {"": (INK, "*"), **looks}.items():
        own = table[table["family"] == group]
        own = own[np.isfinite(own["return"]) & np.isfinite(own[key])].sort_values(key)
        if own.empty:
            continue
        shown = own[own["return"] >= floor]
        below += [
            Below(row[key], row["return"], color)
            for row in own[own["return"] < floor].to_dict("records")
        ]
        if group == "":
            axes.axhline(
                float(own["return"].iloc[0]), color=FAINT, lw=0.9, ls=(0, (4, 3)), zorder=1
            )
        else:
            axes.plot(own[key], own["return"], color=color, lw=0.9, alpha=0.5, zorder=2)
        spans = np.abs(shown[["low", "high"]].to_numpy(float).T - shown["return"].to_numpy(float))
        axes.errorbar(
            shown[key],
            shown["return"],
            yerr=np.nan_to_num(spans),
            fmt=mark,
            color=color,
            ecolor=color,
            elinewidth=1.0,
            markersize=10 if group == "" else 5.5,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
            label=group or "original",
            zorder=4,
        )
    ring = table[table["candidate"] == chosen]
    if len(ring) and np.isfinite(ring[key].iloc[0]):
        axes.plot(ring[key], ring["return"], "o", ms=14, mfc="none", mec=INK, mew=1.2, zorder=5)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    axes.set_xlabel(AXES[key])
    horizontal_grid(axes)
    if math.isfinite(floor):
        end_at(axes, floor)
        if len(below) <= NUMBERED:
            mark_below(axes, floor, below)
        else:
            for point in below:
                axes.plot(
                    point.place, floor, "v", color=point.color, ms=6.5, clip_on=False, zorder=6
                )
    elif random > axes.get_ylim()[0]:
        axes.axhline(random, color=FAINT, lw=0.9, ls=(0, (1, 2)), zorder=1)
        axes.annotate(
            "at random",
            (1, random),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
            color=FAINT,
        )
