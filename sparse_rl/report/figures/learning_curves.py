"""Return over training, one small plot for each sparsity level, phases shaded."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sparse_rl.report.figures.appearance import (
    INK,
    Series,
    drawn,
    horizontal_grid,
    series_of,
    steps_on,
)
from sparse_rl.report.figures.phase_shading import shade
from sparse_rl.report.findings import Findings
from sparse_rl.report.phases import phases
from sparse_rl.summary.estimates import interquartile_mean, interquartile_mean_interval
from sparse_rl.summary.kinds import Kind, by_kind

TITLE = "Learning curves"
RESAMPLES = 1_000
MOST_LABELS = 4
"""Of a legend in one row."""
COLUMNS = 3

Key = tuple[float, Kind]
"""A variant: its level and its kind."""
DENSE: Key = (0.0, Kind())


def caption(findings: Findings) -> str:
    """What to see."""
    return (
        "Whether a level loses return while it is pruned, and whether fine-tuning and int8 "
        "training bring it back (pruning and int8 training are shaded): interquartile mean over "
        "seeds, 95 % band (of fewer than three seeds: each as a thin line); dense is dashed."
    )


@drawn
def draw(findings: Findings) -> Figure | None:
    """Small multiples of all levels above 0 (of dense alone where there is no other)."""
    curves = evaluation_curves(findings.run.metrics)
    if not curves:
        return None
    spans = phases(findings.run.record)
    levels = sorted({level for level, _ in curves})
    shown = [level for level in levels if level > 0] or levels
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    looks = series_of(findings.run.metrics)
    legend = 0.2 * (1 + len(looks)) / MOST_LABELS
    size = (max(2.25 * columns + 0.6, 5.0), 2.1 * rows + 0.3 + legend)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index >= len(shown):
            axes.set_visible(False)
            continue
        shade(axes, spans, names=index == 0)
        _level(axes, _joined(curves, spans[0].end), shown[index], looks)
        axes.set_title(f"{100 * shown[index]:g} %", pad=14 if index < columns else 5)
        steps_on(axes)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        horizontal_grid(axes)
        axes.tick_params(labelbottom=index + columns >= len(shown))
    figure.supxlabel("environment steps", fontsize=9.5)
    figure.supylabel("return", fontsize=9.5)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(len(labels), MOST_LABELS),
        handlelength=3,
    )
    return figure


def evaluation_curves(metrics: pd.DataFrame) -> dict[Key, pd.DataFrame]:
    """Return by step (rows) and seed (columns) of every variant; `DENSE` has the dense phase.

    The final evaluation, which has other episodes, is no part of a curve.
    """
    rows = metrics[(metrics["metric"] == "return") & ~metrics["phase"].isin(["final", "prefill"])]
    rows = rows[np.isfinite(rows["value"])]
    curves: dict[Key, pd.DataFrame] = {}
    for kind, own in by_kind(rows):
        for sparsity, variant in own.groupby("sparsity"):
            table = variant.pivot_table(
                index="step", columns="seed", values="value", aggfunc="last"
            )
            # A member that failed has no values from then on: it is left out, others stay whole.
            whole = table.dropna(axis="columns")
            curves[float(str(sparsity)), kind] = whole if whole.size else table.dropna()
    return {key: table for key, table in curves.items() if len(table)}


def _joined(curves: dict[Key, pd.DataFrame], fork: int) -> dict[Key, pd.DataFrame]:
    """Each curve begun with the last evaluation of what it continues from.

    For pruned variants that is the dense phase, up to `fork`; for those in int8 the variant in
    float32 of the same level.
    """
    return {key: _after(_parent(curves, key, fork), curve) for key, curve in curves.items()}


def _parent(curves: dict[Key, pd.DataFrame], key: Key, fork: int) -> pd.DataFrame | None:
    level, kind = key
    if kind.arithmetic != "float32":
        return curves.get((level, kind._replace(arithmetic="float32")))
    dense = curves.get(DENSE)
    return None if key == DENSE or dense is None else dense[dense.index <= fork]


def _after(parent: pd.DataFrame | None, curve: pd.DataFrame) -> pd.DataFrame:
    before = None if parent is None else parent[parent.index < curve.index[0]].iloc[-1:]
    if before is None or before.empty:
        return curve
    return pd.concat([before, curve]).dropna(axis="columns")


def _level(
    axes: Axes, curves: dict[Key, pd.DataFrame], level: float, looks: dict[Kind, Series]
) -> None:
    dense = curves.get(DENSE)
    if dense is not None:
        _curve(axes, dense, INK, (0, (4, 2)), "dense", band=level == 0, width=1.0)
    for kind, series in looks.items():
        curve = curves.get((level, kind))
        if curve is None or (level, kind) == DENSE:
            continue
        solid = kind == Kind(arithmetic=kind.arithmetic)  # few enough to tell apart by color
        line = "-" if solid else series.line
        _curve(axes, curve, series.color, line, series.label, band=True, width=1.6)


def _curve(
    axes: Axes, curve: pd.DataFrame, color: str, line: object, label: str, band: bool, width: float
) -> None:
    steps, values = curve.index.to_numpy(), curve.to_numpy(float)
    axes.plot(
        steps,
        interquartile_mean(values, axis=1),
        color=color,
        linestyle=line,  # type: ignore[arg-type]
        linewidth=width,
        label=label,
    )
    if band:
        low, high = interquartile_mean_interval(values, axis=1, resamples=RESAMPLES)
        if np.isfinite(low).all():
            axes.fill_between(steps, low, high, color=color, alpha=0.18, lw=0)
        else:
            axes.plot(steps, values, color=color, linewidth=0.5, alpha=0.5)
