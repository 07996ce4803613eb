"""Phases as shaded columns behind a curve over environment steps."""

from __future__ import annotations

from matplotlib.axes import Axes

from sparse_rl.report.figures.appearance import FAINT, SHADE
from sparse_rl.report.phases import Phase


def shade(axes: Axes, phases: list[Phase], names: bool) -> None:
    """Shade every second phase; with `names`, write each phase's name above its column."""
    for index, phase in enumerate(phases):
        if index % 2:
            axes.axvspan(phase.begin, phase.end, color=SHADE, lw=0, zorder=0)
        if names:
            axes.annotate(
                phase.name,
                ((phase.begin + phase.end) / 2, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=FAINT,
                fontsize=7,
            )
    axes.set_xlim(phases[0].begin, phases[-1].end)
