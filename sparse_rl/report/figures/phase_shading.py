"""Phases as shaded columns behind a curve over environment steps."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from sparse_rl.report.figures.appearance import FAINT, SHADE
from sparse_rl.report.phases import Phase

SHADED = ("prune", "int8")
"""Phases in which the policy becomes smaller."""
LETTER = 4.2
"""Points that a letter of a name is wide, about."""


def shade(axes: Axes, phases: list[Phase], names: bool) -> None:
    """Shade pruning and training in int8; with `names`, write each phase's name above its column.

    A phase is shown until the next begins: dense training may go on beside it, for another method.
    A name that would touch the one before it stands higher.
    """
    width = axes.get_position().width * axes.get_figure().get_figwidth() * 72  # type: ignore[union-attr]
    per_step = width / max(phases[-1].end - phases[0].begin, 1)
    until = [-math.inf, -math.inf]  # where the names of the two rows end, in points
    ends = [*(after.begin for after in phases[1:]), phases[-1].end]
    for phase, end in zip(phases, ends, strict=True):
        if phase.name in SHADED:
            axes.axvspan(phase.begin, end, color=SHADE, lw=0, zorder=0)
        if names:
            middle, half = (phase.begin + end) / 2, 0.5 * LETTER * len(phase.name)
            row = int(middle * per_step - half < until[0])
            until[row] = middle * per_step + half
            axes.annotate(
                phase.name,
                (middle, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3 + 8 * row),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=FAINT,
                fontsize=7,
            )
    axes.set_xlim(phases[0].begin, phases[-1].end)
