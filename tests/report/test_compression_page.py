"""The table of a compression fits the terminal for which it is made."""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sparse_rl.report.compression_page import terminal_table

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
