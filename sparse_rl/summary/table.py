"""The final table as Markdown, for the terminal, and as strings for the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sparse_rl.summary.final_table import FAILED, NOT_FINISHED, NOT_WORSE, UNDECIDED, WORSE
from sparse_rl.summary.kinds import kind_of

HEADINGS = {
    "variant": "variant",
    "achieved": "sparsity",
    "weights": "weights",
    "seeds": "seeds",
    "return": "return (IQM)",
    "return_interval": "95 %",
    "difference": "minus dense",
    "difference_interval": "95 %",
    "probability": "P(better)",
    "verdict": "verdict",
}
LEFT = ("variant", "verdict")
LONG_NAMES = {9: "weights", 14: "achieved"}
"""Columns that a terminal of 80 characters has no room for beside names of more than so many."""
COLORS = {NOT_WORSE: "green", WORSE: "red", UNDECIDED: "yellow", FAILED: "red"}
"""Of verdicts, in a terminal."""
WRAPPED = ("verdict",)
IN_TERMINAL = {
    "variant": "variant",
    "achieved": "sparsity",
    "weights": "weights",
    "seeds": "seeds",
    "return": "return",
    "difference": "- dense",
    "difference_interval": "95 %",
    "verdict": "verdict",
}
LEFT_OUT = ("weights", "achieved", "difference_interval", "difference", "seeds")
"""Columns that a narrower terminal goes without, one after the other."""
WIDEST = 1000
"""Columns that no table has."""


def formatted(table: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of `final_table.final_table` as strings; a dash where there is no number.

    Seeds read "8", "7 of 8" where one has failed, and a dash where training goes on.
    """
    decimals = decimals_of(table["return_iqm"].abs().max())
    rows = []
    for row in table.to_dict("records"):
        started = f" of {row['seeds'] + row['failed']}" if row["failed"] else ""
        seeds = "-" if row["verdict"] == NOT_FINISHED else f"{row['seeds']}{started}"
        rows.append(
            {
                "variant": row["variant"],
                "achieved": _percent(row["achieved_sparsity"]),
                "weights": number(row["nonzero"], 0),
                "seeds": seeds,
                "return": number(row["return_iqm"], decimals),
                "return_interval": interval(row["return_low"], row["return_high"], decimals),
                "difference": number(row["difference"], decimals, sign=True),
                "difference_interval": interval(
                    row["difference_low"], row["difference_high"], decimals, sign=True
                ),
                "probability": number(row["probability_of_improvement"], 2),
                "verdict": row["verdict"] or "(dense)",
            }
        )
    return rows


def markdown_table(table: pd.DataFrame) -> str:
    """The final table in Markdown, columns padded so that it also reads as plain text."""
    cells = [HEADINGS, *formatted(table)]
    width = {key: max(len(row[key]) for row in cells) for key in HEADINGS}

    def line(row: dict[str, str]) -> str:
        padded = (
            row[key].ljust(width[key]) if key in LEFT else row[key].rjust(width[key])
            for key in HEADINGS
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        f":{'-' * (width[key] + 1)}" if key in LEFT else f"{'-' * (width[key] + 1)}:"
        for key in HEADINGS
    )
    return "\n".join([line(HEADINGS), f"|{rule}|", *(line(row) for row in cells[1:])])


def terminal_table(table: pd.DataFrame, title: str = "", width: int = 80) -> Table:
    """The final table for a terminal; in one of less than 80 columns some are left out."""
    shown = dict(IN_TERMINAL)
    longest = table["variant"].str.len().max()
    for length, column in LONG_NAMES.items():
        if longest > length:
            del shown[column]

    def build(keys: Sequence[str]) -> Table:
        return _terminal_table(table, title, {key: shown[key] for key in keys})

    return fitting(build, tuple(shown), LEFT_OUT, width)


def _terminal_table(table: pd.DataFrame, title: str, shown: Mapping[str, str]) -> Table:
    view = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for key, heading in shown.items():
        justify = "left" if key in LEFT else "right"
        view.add_column(heading, justify=justify, no_wrap=key not in WRAPPED)  # type: ignore[arg-type]
    kinds = [kind_of(row) for row in table.to_dict("records")]
    for index, row in enumerate(formatted(table)):
        cells = [row[key].replace(" .. ", "..") for key in shown]  # every column counts
        cells[0] = f"[bold]{cells[0]}[/bold]"
        cells[-1] = colored(row["verdict"])
        view.add_row(*cells, end_section=kinds[index : index + 2] != 2 * [kinds[index]])
    return view


def colored(verdict: str) -> str:
    """A verdict in rich's markup."""
    color = COLORS.get(verdict)
    return f"[{color}]{verdict}[/{color}]" if color else verdict


def fitting(
    build: Callable[[Sequence[str]], Table],
    columns: Sequence[str],
    left_out: Sequence[str],
    width: int,
) -> Table:
    """The table of as many columns as have room: those to be left out go from the first on."""
    kept = list(columns)
    for column in [name for name in left_out if name in kept]:
        view = build(kept)
        if _least_width(view) <= width:
            return view
        kept.remove(column)
    return build(kept)


def _least_width(view: Table) -> int:
    """Without cutting a cell: as wide as its cells, but for what may be wrapped between words."""
    console, spare = Console(width=WIDEST), 0
    for column in view.columns:
        cells = [Text.from_markup(str(cell)).plain for cell in (column.header, *column.cells)]
        if not column.no_wrap:
            words = [word for cell in cells for word in cell.split()]
            spare += max(map(len, cells)) - max(map(len, words))
    return Measurement.get(console, console.options, view).maximum - spare


def decimals_of(largest: float) -> int:
    """Decimals that leave three figures of the largest return, or all those before the point."""
    if not math.isfinite(largest) or largest == 0:
        return 2
    return max(0, min(4, 2 - math.floor(math.log10(largest))))


def number(value: float, decimals: int, sign: bool = False) -> str:
    """A number with so many decimals; a dash where it is none."""
    if not math.isfinite(value):
        return "-"
    return f"{value:{'+' if sign else ''},.{decimals}f}"


def interval(low: float, high: float, decimals: int, sign: bool = False) -> str:
    """Both ends of an interval; a dash where there is none."""
    if not math.isfinite(low):
        return "-"
    return f"{number(low, decimals, sign)} .. {number(high, decimals, sign)}"


def _percent(sparsity: float) -> str:
    return "-" if not math.isfinite(sparsity) else f"{100 * sparsity:.2f} %"
