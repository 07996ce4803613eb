"""The page of a compression says what was found; its table fits the terminal it is made for."""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sparse_rl.report.compression_page import Told, sentences, terminal_table
from sparse_rl.report.figures import tradeoff
from sparse_rl.summary import final_table

NUMBERS = {
    "weights": 132_032.0, "bytes": 495_560.0, "microseconds": 10.746,
    "return": -1034.8, "low": -1100.0, "high": -1000.0,
    "difference": -123.8, "difference_low": -145.9, "difference_high": -101.6,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("int8", ()),
        ("int4w+int8", ("weights",)),
        ("units0.95+distil-int8", ("weights",)),
        ("units0.875+distil0.95+int8", ("weights", "us")),
    ],
)
def test_a_line_of_80_holds_every_row(name: str, gone: tuple[str, ...]) -> None:
    original = {**NUMBERS, "candidate": "original", "verdict": ""}
    original |= dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    table = pd.DataFrame([original, {**NUMBERS, "candidate": name, "verdict": "undecided"}])
    console = Console(width=80, record=True)
    console.print(terminal_table(table))
    lines = [line for line in console.export_text().splitlines() if line.strip(" ─")]
    assert len(lines) == 3  # a heading, and no row that is broken
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert name in lines[2] and "-145.9..-101.6" not in lines[0]
    for heading in ("weights", "us"):
        assert (heading not in lines[0].split()) == (heading in gone), lines[0]


@pytest.mark.parametrize(
    ("difference", "margin", "verdict", "claim"),
    [
        ((-1.0, -9.0, 7.0), 5.0, "undecided", "not confirmed"),
        ((-7.0, -9.0, -5.0), 5.0, "worse", "not confirmed"),
        ((-1.0, -4.9, 7.0), 5.0, "not worse", "again not worse"),
        ((0.0, 0.0, 0.0), 0.0, "not worse", "again not worse"),
    ],
)
def test_the_page_and_its_table_say_the_same_of_fresh_starts(
    difference: tuple[float, float, float], margin: float, verdict: str, claim: str
) -> None:
    """The whole interval counts; and where nothing may be lost, nothing was."""
    original, chosen = ({**NUMBERS, "candidate": name} for name in ("original", "int8"))
    table = pd.DataFrame([original | {"verdict": ""}, chosen | {"verdict": "not worse"}])
    fresh = dict(zip(("difference", "difference_low", "difference_high"), difference, strict=True))
    told = Told(
        environment="gymnax/Pendulum-v1",
        origin="made up",
        table=table,
        over="episodes",
        random=-1200.0,
        margin=margin,
        chosen="int8",
        confirmed=pd.DataFrame([{"world": "as it is", **fresh, "verdict": verdict}]),
        film="made up",
        provenance={},
    )
    assert final_table.verdict(*difference[1:], margin) == verdict
    assert sentences(told)[-1]["claim"] == f"With fresh starts it is {claim}"


def test_a_time_of_zero_is_no_ratio() -> None:
    original = NUMBERS | {"candidate": "original", "verdict": ""}
    chosen = NUMBERS | {"candidate": "int8", "verdict": "not worse", "microseconds": 0.0}
    told = Told(
        environment="gymnax/Pendulum-v1",
        origin="made up",
        table=pd.DataFrame([original, chosen]),
        over="episodes",
        random=-1200.0,
        margin=1.0,
        chosen="int8",
        confirmed=None,
        film="made up",
        provenance={},
    )
    (answer,) = sentences(told)
    assert answer["detail"].startswith("1 times smaller than the original")


@pytest.mark.parametrize(("lowest", "arrows"), [(-1150.0, False), (-9000.0, True)])
def test_the_caption_speaks_of_arrows_where_there_are_some(lowest: float, arrows: bool) -> None:
    returns = {"original": -1000.0, "int8": -1010.0, "prune": -1020.0, "units": lowest}
    table = pd.DataFrame(
        [
            {**NUMBERS, "candidate": name, "family": name, "return": value, "verdict": "worse"}
            | {"low": value - 10, "high": value + 10}
            for name, value in returns.items()
        ]
    )
    table.loc[0, ["family", "verdict"]] = ["", final_table.OF_DENSE]
    figure = tradeoff.draw(table, -2000.0, None)
    drawn = any(
        one.get_marker() == "v" for one in figure.axes[0].lines if len(one.get_xdata()) == 1
    )
    assert drawn == arrows
    assert ("Arrows" in tradeoff.caption(table, -2000.0, "starts")) == arrows
