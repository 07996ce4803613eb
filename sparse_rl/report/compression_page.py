"""The page of a compression: the answer, return against size and time, a table, a film."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from sparse_rl import atomic_file
from sparse_rl.report.figures import tradeoff
from sparse_rl.report.films import Film, read_film
from sparse_rl.report.html import figure_view
from sparse_rl.report.templates import render
from sparse_rl.summary.final_table import NOT_WORSE, OF_DENSE
from sparse_rl.summary.table import colored, decimals_of, interval, number

HEADINGS = {
    "candidate": "candidate",
    "weights": "weights",
    "bytes": "bytes",
    "microseconds": "us in C",
    "return": "return",
    "return_interval": "95 %",
    "difference": "- original",
    "difference_interval": "95 %",
    "verdict": "verdict",
}
LEFT = ("candidate", "world", "verdict")
WORLDS = {
    "world": "world",
    "original": "original",
    "return": "chosen",
    "difference": "- original",
    "difference_interval": "95 %",
    "verdict": "verdict",
}
WIDTH = 80
LESS_NEEDED = ("weights", "difference", "microseconds")
"""Columns that go, in this order, where the rows are wider than a terminal of `WIDTH`."""
PAGE = "index.html"


@dataclass(frozen=True)
class Told:
    """What the page says of a compression.

    Attributes:
        over: what intervals are over, in words.
        confirmed: the chosen one beside the original with fresh starts, the world as it is first,
            disturbed ones after it; None without a chosen one.
        film: the file of a film, or why there is none.
    """

    environment: str
    origin: str
    table: pd.DataFrame
    over: str
    random: float
    margin: float
    chosen: str | None
    confirmed: pd.DataFrame | None
    film: Path | str
    provenance: Mapping[str, str]


def write_page(told: Told, folder: Path) -> Path:
    """Writes index.html and figures into `folder`; returns the page's path."""
    figure = figure_view(
        lambda: tradeoff.draw(told.table, told.random, told.chosen),
        "tradeoff",
        "compression",
        tradeoff.TITLE,
        lambda: tradeoff.caption(told.table, told.random, told.over),
        folder / "figures",
    )
    films: list[Film] = []
    if isinstance(told.film, Path):
        words = f"Left: the original; right: {told.chosen}. One episode from the same start."
        films = [read_film(told.film, words)]
    view: dict[str, Any] = {
        "environment": told.environment,
        "description": told.origin,
        "sentences": sentences(told),
        "criterion": (
            f"Not worse: the 95 % interval of the difference from the original, over {told.over}, "
            f"lies above {-told.margin or 0.0:.4g}."
        ),
        "figure": figure,
        "table_caption": (
            "From the smallest file to the largest. All candidates met the same starts. Bytes: the "
            "packed file, everything included; time: compiled C, the median of single calls."
        ),
        "rows": formatted(told.table),
        "worlds": [] if told.confirmed is None else formatted_worlds(told.confirmed),
        "films": films,
        "no_film": f"No film: {told.film}." if isinstance(told.film, str) else "",
        "provenance": told.provenance,
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = render(
        "compression.html.j2",
        title=f"Compression: {told.environment}",
        byline="written by sparse_rl",
        refresh=0,
        view=view,
        headings=HEADINGS,
        world_headings=WORLDS,
        left=LEFT,
    )
    atomic_file.write_text(folder / PAGE, text)
    return folder / PAGE


def sentences(told: Told) -> list[dict[str, str]]:
    """The answer: what is delivered, how much smaller and faster it is, and what it was worth."""
    table = told.table.set_index("candidate")
    original = table[table["verdict"] == OF_DENSE].iloc[0]
    if told.chosen is None:
        return [
            {
                "claim": "No candidate is shown to be not worse than the original",
                "detail": (
                    "more episodes, lower levels or more updates may decide what is undecided"
                ),
            }
        ]
    chosen: Any = table.loc[told.chosen]
    parts = [f"{original['bytes'] / chosen['bytes']:.3g} times smaller"]
    times = original["microseconds"], chosen["microseconds"]
    if all(math.isfinite(time) and time > 0 for time in times):  # a coarse clock may say 0
        parts.append(
            f"{original['microseconds'] / chosen['microseconds']:.3g} times faster in C "
            f"({chosen['microseconds']:.3g} us)"
        )
    found = [
        {
            "claim": f"{told.chosen} takes {chosen['bytes']:,.0f} bytes and is not worse",
            "detail": " and ".join(parts)
            + f" than the original; return {chosen['return']:,.4g} against "
            f"{original['return']:,.4g}",
        }
    ]
    if told.confirmed is not None:
        fresh = told.confirmed.iloc[0]
        gap, low, high = fresh["difference"], fresh["difference_low"], fresh["difference_high"]
        again = "again not worse" if fresh["verdict"] == NOT_WORSE else "not confirmed"
        found.append(
            {
                "claim": f"With fresh starts it is {again}",
                "detail": f"difference {gap:+.4g}, 95 % {low:+.4g} to {high:+.4g}; the figure to "
                "quote of these policies, as it was chosen among many from other starts; policies "
                "that are trained anew were not asked",
            }
        )
    return found


def formatted(table: pd.DataFrame) -> list[dict[str, str]]:
    """The table's rows as strings; a dash where there is no number."""
    decimals = decimals_of(table["return"].abs().max())
    return [
        {
            "candidate": row["candidate"],
            "weights": number(row["weights"], 0),
            "bytes": number(row["bytes"], 0),
            "microseconds": number(row["microseconds"], 3),
            "return": number(row["return"], decimals),
            "return_interval": interval(row["low"], row["high"], decimals),
            "difference": number(row["difference"], decimals, sign=True),
            "difference_interval": interval(
                row["difference_low"], row["difference_high"], decimals, sign=True
            ),
            "verdict": row["verdict"] or "(original)",
        }
        for row in table.to_dict("records")
    ]


def formatted_worlds(confirmed: pd.DataFrame) -> list[dict[str, str]]:
    """The chosen one beside the original, a row for each world, as strings."""
    decimals = decimals_of(confirmed[["original", "return"]].abs().max().max())
    return [
        {
            "world": row["world"],
            "original": number(row["original"], decimals),
            "return": number(row["return"], decimals),
            "difference": number(row["difference"], decimals, sign=True),
            "difference_interval": interval(
                row["difference_low"], row["difference_high"], decimals, sign=True
            ),
            "verdict": row["verdict"],
        }
        for row in confirmed.to_dict("records")
    ]


def terminal_worlds(confirmed: pd.DataFrame, chosen: str | None) -> Table:
    """The same for a terminal."""
    view = _table(title=f"{chosen}, from fresh starts", title_justify="left", title_style="bold")
    for key, heading in WORLDS.items():
        view.add_column(heading, justify="left" if key in LEFT else "right", overflow="fold")
    for row in formatted_worlds(confirmed):
        view.add_row(*(colored(row[key]) if key == "verdict" else row[key] for key in WORLDS))
    return view


def _table(**options: Any) -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), **options)


def terminal_table(table: pd.DataFrame) -> Table:
    """The table for a terminal of 80 columns or more."""
    view = _table()
    shown = {key: text for key, text in HEADINGS.items() if key != "return_interval"}
    shown["microseconds"] = "us"
    rows = [{key: row[key].replace(" .. ", "..") for key in shown} for row in formatted(table)]

    def width(key: str) -> int:
        return max(len(text) for text in (shown[key], *(row[key] for row in rows))) + 2

    for column in LESS_NEEDED:
        if sum(map(width, shown)) - 1 > WIDTH:
            del shown[column]
        if "difference" not in shown:
            shown["difference_interval"] = "- original, 95 %"
    for key, heading in shown.items():
        view.add_column(
            heading,
            justify="left" if key in LEFT else "right",
            no_wrap=key not in ("difference_interval", "verdict", "candidate"),
            overflow="fold",
        )
    for row in rows:
        cells = [row[key] for key in shown]
        cells[0] = f"[bold]{cells[0]}[/bold]"
        view.add_row(*cells[:-1], colored(row["verdict"]))
    return view
