"""Several runs in one figure: how much of dense's gain over acting at random is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    factor,
    horizontal_grid,
    legend_below,
    sparsity_ticks,
)
from sparse_rl.report.figures.clipping import Below, end_at, mark_below
from sparse_rl.report.findings import Findings
from sparse_rl.report.levels import reached
from sparse_rl.summary.final_table import OF_DENSE, random_return
from sparse_rl.summary.kinds import by_kind

TITLE = "What is kept of dense's gain over acting at random"
LOWEST = -0.15
"""Where the axis ends: a little below acting at random."""
LEAST = 0.02
"""Of dense's own size: a smaller gain over acting at random is none to divide by."""
_COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
"""One more than colors, so that looks repeat after 126 lines only."""
_LINES = ("-", (0, (6, 1.5)), (0, (1, 1)))


def gain(findings: Findings) -> tuple[float, float] | None:
    """Mean return of acting at random, and dense's above it; None where one is not known.

    Dense's is the interquartile mean over seeds, as that of all variants.
    """
    table, random = findings.table, random_return(findings.run.metrics)
    if table is None or random is None:
        return None
    dense = float(table.loc[table["verdict"] == OF_DENSE, "return_iqm"].max())
    return (random, dense - random) if dense - random > LEAST * abs(dense) else None


def left_out(findings: Sequence[Findings], names: Sequence[str]) -> list[str]:
    """One line for each run that the figure does not have, and why."""
    lines = []
    for one, name in zip(findings, names, strict=True):
        if one.table is None:
            lines.append(f"{name} is not in the figure: it is not finished.")
        elif gain(one) is None:
            lines.append(
                f"{name} is not in the figure: its dense return, or that of acting at random, is "
                f"not known, or dense is no better."
            )
    return lines


def caption() -> str:
    """What to see."""
    return (
        "1 is the dense return of the same run, 0 acting at random in it: (return - random) / "
        "(dense - random), of the interquartile mean over seeds, float32, with its 95 % interval "
        "over seeds. Arrows: what lies further below."
    )


@drawn
def draw(findings: Sequence[Findings], names: Sequence[str]) -> Figure | None:
    """A line for each run and method; None where there is none to draw."""
    shown = [
        (name, label, rows, known)
        for one, name in zip(findings, names, strict=True)
        if (known := gain(one)) is not None
        for label, rows in lines_of(one)
    ]
    if not shown:
        return None
    several = {name for name, *_ in shown if sum(name == other for other, *_ in shown) > 1}
    figure = Figure(figsize=(7.2, 4.3))
    axes = figure.add_subplot()
    axes.axhline(1, color=INK, linestyle=(0, (7, 3)), linewidth=1.1)
    axes.axhline(0, color=FAINT, linewidth=0.9)
    below, places = [], set()
    lines = cycle(line for line in _LINES for _ in _COLORS)
    looks = zip(cycle(_COLORS), cycle(_MARKS), lines, strict=False)
    for (name, label, rows, known), look in zip(shown, looks, strict=False):
        title = f"{name}, {label}" if name in several else name
        points = _line(axes, rows, known, title, look)
        below += points
        places |= {level for level in reached(rows).values()}
    ends = (0.93, max(factor(max(places)) * 1.3, 1.3))
    sparsity_ticks(axes, {place: f"{100 * place:.4g} %" for place in places}, ends)
    low, high = axes.get_ylim()
    axes.set_ylim(low, min(high, 1.6))
    if low < LOWEST:
        end_at(axes, LOWEST)
        mark_below(axes, LOWEST, below)
    axes.set_ylabel("share of dense's gain")
    horizontal_grid(axes)
    legend_below(axes, columns=2 if max(len(name) for name, *_ in shown) > 20 else 4)
    return figure


def lines_of(findings: Findings) -> list[tuple[str, pd.DataFrame]]:
    """The float32 variants of each method, dense first, by the method's label."""
    table = findings.table
    assert table is not None
    dense = table[table["verdict"] == OF_DENSE]
    lines = []
    for kind, rows in by_kind(table):
        pruned = rows[rows["target_sparsity"] > 0]
        if kind.arithmetic == "float32" and not pruned.empty:
            lines.append((kind.label, pd.concat([dense, pruned])))
    return lines


def _line(
    axes: Axes,
    rows: pd.DataFrame,
    known: tuple[float, float],
    label: str,
    look: tuple[str, str, object],
) -> list[Below]:
    random, gained = known
    color, mark, line = look
    rows = rows[rows["seeds"] > 0].sort_values("target_sparsity")
    place = factor(rows["target_sparsity"].map(reached(rows)).to_numpy(float))
    middle, low, high = (
        (rows[column].to_numpy(float) - random) / gained
        for column in ("return_iqm", "return_low", "return_high")
    )
    axes.plot(
        place,
        middle,
        color=color,
        linestyle=line,  # type: ignore[arg-type]
        marker=mark,
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
        label=label,
        zorder=4,
    )
    if np.isfinite(low).any():
        axes.fill_between(place, low, high, color=color, alpha=0.12, lw=0)
    return [
        Below(where, value, color)
        for where, value in zip(place, middle, strict=True)
        if math.isfinite(value)
    ]
