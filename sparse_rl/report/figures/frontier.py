"""The frontier: return against what an exported actor costs, in bytes, time and energy."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sparse_rl.report.costs import measured_costs, variant_costs
from sparse_rl.report.figures.appearance import (
    INK,
    PAPER,
    drawn,
    horizontal_grid,
    series_of,
    short_number,
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
from sparse_rl.summary.final_table import OF_DENSE, dense_variant
from sparse_rl.summary.kinds import by_kind

TITLE = "What it costs to act"


def caption(findings: Findings) -> str:
    """What to see."""
    return (
        "The best actors are at the top left: as much return as dense (dashed) at a fraction of "
        "its bytes, time or energy (of the exported seed); the star is a dense float32 actor."
        + caption_of(_floor(findings))
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Return against each measured cost; None before actors are exported."""
    if findings.table is None:
        return None
    costs = variant_costs(findings.run, list(findings.table["variant"]))
    measured = measured_costs(costs)
    if not measured:
        return None
    figure = Figure(figsize=(0.6 + 2.35 * len(measured), 3.4), layout="constrained")
    grid = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    table = findings.table.merge(costs, on="variant")
    finals = findings.table.set_index("variant")["return_iqm"]
    dense = float(finals.get(dense_variant(findings.run.metrics), np.nan))
    floor = _floor(findings)
    looks = series_of(findings.table)
    # Dense alone is the star, if it has other kinds beside it.
    shown = [(kind, own) for kind, own in by_kind(table) if set(own["verdict"]) != {OF_DENSE}]
    shown = shown or list(by_kind(table))
    named = next((kind for kind, own in shown if (own["target_sparsity"] > 0).any()), shown[0][0])
    for axes, cost in zip(grid, measured, strict=True):
        reference = costs[f"dense_{cost.name}"].median()
        if np.isfinite(dense):
            axes.axhline(dense, color=INK, linestyle=(0, (7, 3)), linewidth=1.1, label="dense")
        if np.isfinite(dense) and np.isfinite(reference):
            axes.plot(reference, dense, "*", color=INK, ms=10, label="dense, float32", zorder=5)
        below = []
        for kind, own in shown:
            series = looks[kind]
            rows = own[own[cost.name].notna()].sort_values("target_sparsity")
            if rows.empty:
                continue
            value = rows["return_iqm"].to_numpy(float)
            below += [
                Below(where, height, series.color)
                for where, height in zip(rows[cost.name], value, strict=True)
            ]
            axes.plot(
                rows[cost.name],
                value,
                color=series.color,
                linestyle=series.line,
                linewidth=1.2,
                marker=series.mark,
                markeredgecolor=PAPER,
                markeredgewidth=0.8,
                label=series.label,
            )
            if kind == named:  # one line's levels; those of all would overlap
                for _, row in rows[rows["return_iqm"] >= floor].iterrows():
                    axes.annotate(
                        f"{100 * row['target_sparsity']:g} %",
                        (row[cost.name], row["return_iqm"]),
                        xytext=(0, 7),
                        textcoords="offset points",
                        ha="center",
                        fontsize=7.5,
                        zorder=6,
                        path_effects=[withStroke(linewidth=2.2, foreground=PAPER)],
                    )
        axes.set_xscale("log")
        axes.margins(x=0.1)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(cost.axis)
        horizontal_grid(axes)
        end_at(axes, floor)
        mark_below(axes, floor, below)
    grid[0].set_ylabel("return, interquartile mean")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(len(labels), 5), handlelength=3.4
    )
    return figure


def _floor(findings: Findings) -> float:
    """Where the axis of returns ends."""
    assert findings.table is not None
    limit = collapsed_below(findings.table, findings.run.metrics)
    return floor_of(list(findings.table["return_iqm"]), limit)
