"""The table of what compression brought, against the file that it is told from."""

import re

import pandas as pd
import pytest

from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "commands" / "compress.md"
CELLS = r"^\|" + 5 * r"([^|\n]*)\|" + "$"


@pytest.mark.parametrize(
    ("heading", "study", "rows_told", "places"),
    [
        ("What it brought", "pendulum", 10, 0),
        ("MinAtar Breakout", "breakout_minatar_erk", 8, 1),
        ("LunarLander", "lunarlander", 12, 0),
        ("HalfCheetah", "halfcheetah_v4", 13, 0),
    ],
)
def test_the_table_says_what_was_measured(
    heading: str, study: str, rows_told: int, places: int
) -> None:
    measured_in = ROOT / "results" / study / "compressed" / "candidates.csv"
    table = pd.read_csv(measured_in).set_index("candidate")
    part = PAGE.read_text().split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip(" `") for cell in row] for row in re.findall(CELLS, part, re.MULTILINE)]
    assert len(rows) == 2 + rows_told
    for name, size, value, interval, verdict in rows[2:]:
        measured = table.loc[name]
        assert abs(float(size.replace(",", "")) - measured["bytes"]) <= 0.5
        assert float(value.replace(",", "")) == round(float(measured["return"]), places)
        if name != "original":
            low, high = measured.difference_low, measured.difference_high
            ends = f"{low:+,.{places}f} .. {high:+,.{places}f}"
            assert interval == ends
            assert verdict == measured.verdict
