"""An axis that ends where returns have collapsed: what lies below is marked with its number.

Else one level at -1,155 makes three at -150 look alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from sparse_rl.report.figures.appearance import PAPER
from sparse_rl.summary.final_table import OF_DENSE, random_return
from sparse_rl.units import in_figures

HEALTHY = 0.5
"""The share of what dense gained over acting at random from which on a variant has not collapsed.

Without returns of acting at random, half of dense's own size is as much of a loss.
"""
WORTH = 2.0
"""Times as high as the healthy part a whole axis must be, before anything is cut off."""
SPACE = 0.08
"""Of the healthy part's height, left free below and above it."""
NEAR = 1.3
"""Times as far to the right on the log axis, within which arrows are of one place."""


class Below(NamedTuple):
    """A point under the end of the axis."""

    place: float
    value: float
    color: str


def collapsed_below(table: pd.DataFrame, metrics: pd.DataFrame) -> float:
    """The return under which a variant counts as collapsed; -inf without dense to compare with."""
    dense = table.loc[table["verdict"] == OF_DENSE, "return_iqm"]
    if dense.empty or not math.isfinite(dense.iloc[0]):
        return -math.inf
    return collapsed(float(dense.iloc[0]), random_return(metrics))


def collapsed(best: float, random: float | None) -> float:
    """The return under which one counts as collapsed, from the best and from acting at random."""
    gained = abs(best) if random is None else best - random
    return best - HEALTHY * gained if gained > 0 else -math.inf


def floor_of(values: Sequence[float], limit: float) -> float:
    """Where an axis of these values ends: under the lowest that is not below `limit`.

    -inf, for the whole axis, where nothing is below, or cutting it off would gain little.
    """
    finite = np.array([value for value in values if math.isfinite(value)])
    healthy = finite[finite >= limit]
    if len(healthy) < 2 or len(healthy) == len(finite):
        return -math.inf
    height = float(np.ptp(healthy))
    if height <= 0 or np.ptp(finite) < WORTH * height:
        return -math.inf
    return float(healthy.min()) - SPACE * height


def end_at(axes: Axes, floor: float) -> None:
    """Ends the axis there, and a little above what is drawn; nothing is done for -inf."""
    if math.isfinite(floor):
        highest = float(axes.dataLim.ymax)
        axes.set_ylim(floor, highest + SPACE * (highest - floor))


def caption_of(floor: float) -> str:
    """What a figure's caption says of such an axis, with a space before it; empty for -inf."""
    if not math.isfinite(floor):
        return ""
    return (
        " Arrows and numbers: what lies below the end of the axis (of several seeds at one level, "
        "how many and the lowest)."
    )


def mark_below(axes: Axes, floor: float, points: Sequence[Below]) -> None:
    """An arrow at the end of the axis for each point under it, with its number.

    Numbers of one place stand above each other, beside the last of their arrows; where several
    points of one color are there, they share a row with how many they are and the lowest.
    """
    found = sorted(point for point in points if point.value < floor)
    for first in range(len(found)):
        if first and found[first].place < NEAR * found[first - 1].place:
            continue  # of the place before
        here = [found[first]]
        for point in found[first + 1 :]:
            if point.place < NEAR * here[-1].place:
                here.append(point)
        for point in here:
            axes.plot(
                [point.place],
                [floor],
                marker="v",
                color=point.color,
                ms=6.5,
                clip_on=False,
                zorder=6,
                linestyle="",
            )
        for row, (color, text) in enumerate(_rows(here)):
            axes.annotate(
                text,
                (here[-1].place, floor),
                xytext=(7, 10 * row + 2),
                textcoords="offset points",
                ha="left",
                va="bottom",
                fontsize=8,
                color=color,
                annotation_clip=False,
                zorder=7,
                path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
            )


def _rows(points: Sequence[Below]) -> list[tuple[str, str]]:
    """Color and text of each row of numbers, the lowest first."""
    values: dict[str, list[float]] = {}
    for point in points:
        values.setdefault(point.color, []).append(point.value)
    return [
        (color, ("" if len(own) == 1 else f"{len(own)} to ") + in_figures(min(own), 3))
        for color, own in sorted(values.items(), key=lambda item: min(item[1]))
    ]
