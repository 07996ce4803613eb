"""How figures look, and how they become files: colors, lines, marks, PNG, SVG and inline SVG.

Colors are those of Okabe and Ito (2008), told apart by color-blind readers; every series also has
its own mark and line style, so that it survives a grey print.
"""

from __future__ import annotations

import html
import io
import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sparse_rl import atomic_file
from sparse_rl.summary.kinds import Kind, kinds
from sparse_rl.units import in_figures

INK, FAINT, GRID, SHADE, PAPER = "#1b1c1d", "#77787a", "#dcddde", "#f1f2f3", "#fefefe"
BLUE, VERMILLION, GREEN = "#0072b2", "#d55e00", "#009e73"
PURPLE, ORANGE, SKY = "#a8568a", "#b87700", "#4aa8de"

TIMES = "\N{MULTIPLICATION SIGN}"
LETTER = 4.9
"""Points that a letter of a tick's label is wide, about."""

CSS_NAMES = {
    INK: "ink",
    FAINT: "faint",
    GRID: "grid",
    SHADE: "shade",
    PAPER: "paper",
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    PURPLE: "purple",
    ORANGE: "orange",
    SKY: "sky",
}
"""Colors that become CSS variables in inline SVG, so that a page can choose them anew for dark."""

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Source Sans 3", "Liberation Sans", "Arial", "DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.major.width": 0.7,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.7,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "text.hinting": "none",
}


class Series(NamedTuple):
    """How one kind of variants is drawn, everywhere."""

    label: str
    color: str
    line: Any
    mark: str


WIDTH = 7.2
"""Inches of a figure that is as wide as a page's text."""
P = ParamSpec("P")
R = TypeVar("R")
Level = TypeVar("Level", float, np.ndarray)

_KNOWN = {
    Kind(): (BLUE, "-", "o"),
    Kind(arithmetic="int8w"): (GREEN, (0, (5, 1.5)), "^"),
    Kind(arithmetic="int8"): (VERMILLION, (0, (6, 1.5, 1.2, 1.5)), "s"),
    Kind(arithmetic="integer"): (PURPLE, (0, (3, 1.2)), "D"),
}
_COLORS = (PURPLE, ORANGE, SKY, GREEN, VERMILLION)
_LINES = (("-", "DvP^s"), ((0, (3, 1.2)), "X<>hd"), ((0, (1, 1)), "p*HDv"))


def series_of(table: pd.DataFrame) -> dict[Kind, Series]:
    """How each kind in a table is drawn, in the order of their names in a legend.

    Gradual pruning looks the same in every run; other kinds take in turn the colors that it leaves,
    first with whole lines. Where there are several methods, each has its name; a kind of which
    nothing is pruned is of none.
    """
    present = kinds(table)
    taken = {_KNOWN[kind][0] for kind in present if kind in _KNOWN}
    others = itertools.cycle(
        (color, line, mark)
        for line, marks in _LINES
        for color, mark in zip(_COLORS, marks, strict=True)
        if color not in taken
    )
    # What metrics call the sparsity is, in a final table, what was asked for.
    level = table["target_sparsity" if "target_sparsity" in table else "sparsity"]
    pruned = kinds(table[level > 0])
    several = len({kind.method for kind in pruned}) > 1

    def label(kind: Kind) -> str:
        if kind not in pruned and not kind.is_dense:
            return kind.alone
        return kind.label_by_method if several else kind.label

    return {
        kind: Series(label(kind), *(_KNOWN[kind] if kind in _KNOWN else next(others)))
        for kind in present
    }


def drawn(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a drawing function see our settings, whatever the process has set."""

    def with_settings(*arguments: P.args, **keywords: P.kwargs) -> R:
        with matplotlib.rc_context(SETTINGS):
            return draw(*arguments, **keywords)

    with_settings.__doc__ = draw.__doc__
    return with_settings


def horizontal_grid(axes: Axes) -> None:
    """Faint lines at the values, none at the categories."""
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)


def columns_of(width: float, most: int) -> int:
    """Columns of a legend for which a figure of so many inches has room."""
    return most if width >= WIDTH else 2


def legend_below(axes: Axes, columns: int = 3) -> None:
    """The legend under the axis label, where it takes no width."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        ncols=columns,
        handlelength=3.2,
        columnspacing=1.6,
    )


def steps_on(axes: Axes) -> None:
    """Label the x axis in environment steps: 200k, 1M."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def short_number(value: float) -> str:
    """1500 -> 1.5k, 2000000 -> 2M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.4g}"


def sparsity_ticks(axes: Axes, names: Mapping[float, str], ends: tuple[float, float]) -> None:
    """A log axis of compression factors 1/(1 - s) between `ends`, labelled with `names` of s.

    A label that would touch the one before it stands lower.
    """
    axes.set_xlim(*ends)  # before the scale, which would try to fit a single point
    axes.set_xscale("log")
    chosen = sorted(names)
    width = axes.get_position().width * axes.get_figure().get_figwidth() * 72  # type: ignore[union-attr]
    per_decade = width / np.log10(ends[1] / ends[0])
    texts: list[str] = []
    until = [-np.inf, -np.inf]  # where the labels of the two rows end, in points
    for level in chosen:
        text = f"{names[level]}\n{in_times(factor(level))}"
        half = 0.5 * LETTER * max(map(len, text.split("\n")))
        middle = per_decade * np.log10(factor(level))
        row = int(middle - half < until[0])
        until[row] = middle + half + LETTER
        texts.append("\n" * (2 * row) + text)
    axes.set_xticks([factor(level) for level in chosen], texts)
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    is_wide = axes.get_figure().get_figwidth() >= WIDTH  # type: ignore[union-attr]
    asked, meant = "sparsity asked for", "and the compression of the weights it means"
    axes.set_xlabel(f"{asked}, {meant}" if is_wide else f"{asked}, and the compression")


def in_times(times: float) -> str:
    """A factor with its sign; three figures, or all of those before the point."""
    return in_figures(times, 3) + TIMES


def factor(sparsity: Level) -> Level:
    """Weights per surviving weight, 1/(1 - s): where a sparsity lies on the x axis."""
    return 1 / (1 - sparsity)


def figure_bytes(figure: Figure, kind: str, name: str) -> bytes:
    """A figure as "png" (200 dots per inch) or "svg"; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    metadata = {"Date": None, "Title": name} if kind == "svg" else {"Title": name}
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(
            buffer,
            format=kind,
            dpi=200,
            metadata=metadata,
            bbox_inches="tight",
            facecolor=PAPER,
        )
    return buffer.getvalue()


def write_figure(figure: Figure, svg: bytes, directory: Path, name: str) -> None:
    """Write <name>.png and <name>.svg, each under a temporary name first."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind, data in (("png", figure_bytes(figure, "png", name)), ("svg", svg)):
        atomic_file.write_bytes(directory / f"{name}.{kind}", data)


def inline_svg(svg: bytes, name: str, description: str) -> str:
    """A figure as an <svg> element for a page: no background, our colors as CSS variables.

    Identifiers begin with `name`, so that many figures can share a page.
    """
    text = svg.decode()
    element = text[text.index("<svg") :]
    element = element.replace(f"fill: {PAPER}", "fill: none", 1)  # the background is drawn first
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    for color, variable in CSS_NAMES.items():
        element = re.sub(color, f"var(--{variable})", element, flags=re.IGNORECASE)
    element = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', element)
    element = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", element)
    label = html.escape(description, quote=True)
    element = element.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    size = re.search(r'<svg[^>]*? width="([\d.]+)pt"', element)
    width = f' style="--natural-width:{float(size[1]):.0f}pt"' if size else ""
    element = re.sub(r'(<svg[^>]*?) height="[\d.]+pt"', r"\1", element, count=1)
    return re.sub(r'(<svg[^>]*?) width="[\d.]+pt"', rf"\1{width}", element, count=1)
