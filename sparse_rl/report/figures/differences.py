"""The paired difference from dense, with its interval, against the margin of "no loss"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import (
    FAINT,
    INK,
    PAPER,
    WIDTH,
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
from sparse_rl.summary.final_table import NOT_WORSE, OF_DENSE
from sparse_rl.summary.kinds import by_kind

TITLE = "Difference from dense, seed by seed"
ASIDE = 0.055
"""How far the kinds stand apart at one level, at most, on the log axis."""
SHARE = 0.5
"""Of the way to the next level, that all kinds of one level may take."""


def caption(findings: Findings) -> str:
    """What to see."""
    return (
        "Bars that stay above the dashed line (the margin) show a variant that is not worse than "
        "dense: mean over seeds of (variant - dense of the same seed), 95 % interval; hollow marks "
        "are not shown to be." + caption_of(_floor(findings))
    )


@drawn
def draw(findings: Findings, width: float = WIDTH) -> Figure | None:
    """One mark and bar for each variant; None before the run is finished, or without intervals."""
    table, margin = findings.table, findings.margin
    if table is None or table["difference_low"].notna().sum() == 0:
        return None
    figure = Figure(figsize=(width, 3.4))
    axes = figure.add_subplot()
    compared = table[np.isfinite(table["difference_low"])]
    places, below = reached(table), []
    looks, present = series_of(table), list(by_kind(compared))
    axes.axhline(0, color=INK, linewidth=0.9, zorder=1, label="dense")
    axes.axhline(
        -margin.value,
        color=FAINT,
        linewidth=1.2,
        linestyle=(0, (4, 3)),
        zorder=1,
        label=f"margin, {-margin.value or 0.0:,.4g}",
    )
    apart = _apart(list(places.values()), len(present))
    for position, (kind, rows) in enumerate(present):
        series = looks[kind]
        aside = (position - (len(present) - 1) / 2) * apart
        place = factor(rows["target_sparsity"].map(places).to_numpy(float)) * 10**aside
        value = rows["difference"].to_numpy(float)
        bars = np.abs(rows[["difference_low", "difference_high"]].to_numpy(float).T - value)
        axes.errorbar(
            place, value, yerr=bars, fmt="none", ecolor=series.color, elinewidth=1.6, zorder=2
        )
        axes.plot([], [], series.mark, color=series.color, label=series.label)
        for where, height, verdict in zip(place, value, rows["verdict"], strict=True):
            below.append(Below(where, height, series.color))
            face = series.color if verdict == NOT_WORSE else PAPER
            axes.plot(
                where,
                height,
                series.mark,
                markerfacecolor=face,
                markeredgecolor=series.color,
                markeredgewidth=1.3,
                zorder=3,
            )
    widest = 10 ** (len(present) / 2 * apart)
    ends = (0.9 / widest, 1.15 * widest * factor(max(places.values())))
    sparsity_ticks(axes, labels(table), ends)
    floor = _floor(findings)
    end_at(axes, floor)
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, 0.12 * (high - low)))
    mark_below(axes, floor, below)
    axes.set_ylabel("return minus dense")
    horizontal_grid(axes)
    legend_below(axes, columns=columns_of(width, 4 if len(present) < 3 else 3))
    return figure


def _apart(sparsities: Sequence[float], kinds: int) -> float:
    """How far kinds stand apart, so that those of one level stay nearer than the next level."""
    levels = np.sort(np.log10(factor(np.array(sparsities))))
    return min(ASIDE, SHARE * float(np.diff(levels).min(initial=np.inf)) / kinds)


def _floor(findings: Findings) -> float:
    """Where the axis ends: under what has not collapsed."""
    table, margin = findings.table, findings.margin
    assert table is not None
    dense = table.loc[table["verdict"] == OF_DENSE, "return_iqm"]
    limit = collapsed_below(table, findings.run.metrics) - (dense.iloc[0] if len(dense) else 0.0)
    shown = [*table["difference"], *table["difference_low"], *table["difference_high"]]
    return floor_of([*shown, 0.0, -margin.value], limit)
