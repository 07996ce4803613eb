"""Fan-out of the first layer: which observations the sparse policy still looks at."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import FAINT, drawn
from sparse_rl.report.findings import Findings
from sparse_rl.report.layers import fan_out, masks, share_of_seeds_that_look
from sparse_rl.summary.kinds import Kind, by_kind

TITLE = "What the policy still looks at"


def caption(findings: Findings) -> str:
    """What to see."""
    return (
        "Dark columns are inputs of the first layer that pruning lets go of; a cross marks "
        "an input that no seed looks at any more, a dot one that some seeds have dropped."
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Share of each input's weights that survive, by level; None without stored policies."""
    labels, shares, looks = [], [], []
    columns = ["variant", "sparsity", *Kind._fields]
    for kind, rows in by_kind(findings.run.metrics[columns].drop_duplicates()):
        if kind.arithmetic != "float32":
            continue
        pruned = rows[rows["sparsity"] > 0].sort_values("sparsity")
        for variant, level in zip(pruned["variant"], pruned["sparsity"], strict=True):
            layers = masks(findings.run, variant)
            if layers:
                first = next(iter(layers.values()))
                labels.append(_label(kind, level))
                shares.append(fan_out(first))
                looks.append(share_of_seeds_that_look(first))
    if not labels:
        return None
    values, looking = 100 * np.array(shares), np.array(looks)
    inputs = values.shape[1]
    width = float(np.clip(1.6 + 0.3 * inputs, 4.5, 8.4))
    figure = Figure(figsize=(width, 1.1 + 0.36 * len(labels)))
    axes = figure.add_subplot()
    positive = values[values > 0]
    lowest = float(positive.min() * 0.8)
    scale = LogNorm(lowest, 100)
    mesh = axes.pcolormesh(np.maximum(values, lowest), norm=scale, cmap="cividis")
    mesh.set_edgecolor("face")
    size = float(np.clip(150 / inputs, 1.2, 5))
    for state, mark in ((looking == 0, "x"), ((looking > 0) & (looking < 1), ".")):
        row, column = np.nonzero(state)
        axes.plot(column + 0.5, row + 0.5, mark, color="#f7f7f5", ms=size, mew=1, alpha=0.9)
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    step = max(1, round(inputs / 20))
    axes.set_xticks(np.arange(0, inputs, step) + 0.5, [str(i) for i in range(0, inputs, step)])
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("input of the first layer")
    axes.set_ylabel("sparsity")
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, fraction=0.04)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.minorticks_off()
    marks = [mark for mark in (1, 3, 10, 30, 100) if mark >= lowest]
    bar.set_ticks(marks, labels=[f"{mark} %" for mark in marks])
    bar.ax.tick_params(length=0, labelsize=8, colors=FAINT)
    return figure


def _label(kind: Kind, level: float) -> str:
    return f"{100 * level:g} %" + ("" if kind == Kind() else f" {kind.label}")
