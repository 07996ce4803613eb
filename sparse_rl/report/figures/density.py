"""Density of every layer at every level, as a heat map."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import drawn
from sparse_rl.report.findings import Findings
from sparse_rl.report.layers import in_order
from sparse_rl.runs.settings import text
from sparse_rl.summary.kinds import Kind, by_kind

TITLE = "Density of each layer"


def caption(findings: Findings) -> str:
    """What to see."""
    distribution = text(findings.run.settings, "sparsity.distribution")
    kind = f" (distribution: {distribution})" if distribution else ""
    return (
        "Where the surviving weights are: a column of one color means that all layers are pruned "
        f"alike{kind}; per cent of a layer's weights, mean over seeds."
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Layers from input (top) to output, levels from left to right; None without measurements."""
    metrics = findings.run.metrics
    measured = metrics[metrics["metric"].str.startswith("density/")]
    found = [(kind, rows) for kind, rows in by_kind(measured) if kind.arithmetic == "float32"]
    if not found:
        return None
    shown = [(kind, rows) for kind, rows in found if (rows["sparsity"] > 0).any()] or found[:1]
    tables = [_by_level(rows) for _, rows in shown]
    tables[1:] = [table.drop(columns=0.0) for table in tables[1:]]  # dense is dense
    names = in_order(findings.run, [str(name).removeprefix("density/") for name in tables[0].index])
    columns = [table.reindex([f"density/{name}" for name in names]) for table in tables]
    values = 100 * np.concatenate([table.to_numpy(float) for table in columns], axis=1)
    labels = [
        f"{100 * float(str(level)):g} %"
        + ("" if kind == Kind() or level == 0 else "\n" + kind.label.replace(", ", ",\n"))
        for (kind, _), table in zip(shown, tables, strict=True)
        for level in table.columns
    ]
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
    axes.set_xticks(np.arange(len(labels)) + 0.5, labels)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("sparsity")
    return figure


def _by_level(rows: pd.DataFrame) -> pd.DataFrame:
    """The last densities: layers x levels, mean over seeds; dense is there even unmeasured."""
    last = rows.sort_values("step").groupby(["metric", "sparsity", "seed"])["value"].last()
    table = last.groupby(["metric", "sparsity"]).mean().unstack("sparsity")
    if 0.0 not in table.columns:
        table.insert(0, 0.0, 1.0)
    return table
