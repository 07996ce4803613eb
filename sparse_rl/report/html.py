"""Figures as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sparse_rl.report.figures.appearance import figure_bytes, inline_svg, write_figure

SMALL = 6.5
"""Inches: a figure that is narrower is not stretched to the width of the text."""


def anchor(name: str) -> str:
    """A name as an identifier on a page."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "run"


def figure_view(
    draw: Callable[[], Figure | None],
    name: str,
    prefix: str,
    title: str,
    caption: Callable[[], str],
    directory: Path | None,
    narrow: Callable[[], Figure | None] = lambda: None,
) -> dict[str, Any] | None:
    """A figure for a page, and as PNG and SVG in a directory if there is one; None: none drawn.

    What `narrow` draws takes its place on a telephone.
    """
    figure = draw()
    if figure is None:
        return None
    words, svg = caption(), figure_bytes(figure, "svg", name)
    if directory is not None:
        write_figure(figure, svg, directory, name)
    identifier, spoken, slim = f"{prefix}-{name}", f"{title}. {words}", narrow()
    small = b"" if slim is None else figure_bytes(slim, "svg", name)
    return {
        "identifier": identifier,
        "title": title,
        "caption": words,
        "small": figure.get_figwidth() < SMALL,
        "svg": inline_svg(svg, identifier, spoken),
        "narrow": inline_svg(small, f"{identifier}-narrow", spoken) if small else "",
    }
