"""Density of every layer at every level, as a heat map."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import drawn
from sparse_rl.report.findings import Findings
from sparse_rl.report.layers import in_order

TITLE = "Density of each layer"


def caption(findings: Findings) -> str:
    """What to see."""
    distribution = findings.run.config.get("sparsity", {}).get("distribution", "")
    kind = f" (distribution: {distribution})" if distribution else ""
    return (
        "Where the surviving weights are: a column of one colour means that all layers are pruned "
        f"alike{kind}; per cent of a layer's weights, mean over seeds."
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Layers from input (top) to output, levels from left to right; None without measurements."""
    metrics = findings.run.metrics
    rows = metrics[
        metrics["metric"].str.startswith("density/") & (metrics["quantization"] == "float32")
    ]
    if rows.empty:
        return None
    last = rows.sort_values("step").groupby(["metric", "sparsity", "seed"])["value"].last()
    table = last.groupby(["metric", "sparsity"]).mean().unstack("sparsity")
    if 0.0 not in table.columns:
        table.insert(0, 0.0, 1.0)
    names = in_order([str(name).removeprefix("density/") for name in table.index])
    values = 100 * table.loc[[f"density/{name}" for name in names]].to_numpy(float)
    figure = Figure(figsize=(1.6 + 0.82 * values.shape[1], 0.9 + 0.42 * values.shape[0]))
    axes = figure.add_subplot()
    lowest = max(float(np.nanmin(values[values > 0])), 1e-2) * 0.9
    scale = LogNorm(lowest, 100)
    mesh = axes.pcolormesh(values, norm=scale, cmap="cividis", edgecolor="none")
    mesh.set_edgecolor("face")
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        light = float(scale(max(float(value), lowest))) > 0.55
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{value:.3g}",
            ha="center",
            va="center",
            fontsize=8.5,
            color="#101112" if light else "#f7f7f5",
        )
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    levels = [float(str(level)) for level in table.columns]
    axes.set_xticks(np.arange(len(levels)) + 0.5, [f"{100 * level:g} %" for level in levels])
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("sparsity asked for")
    return figure
