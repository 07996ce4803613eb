"""The table of what compression brought, against the file that it is told from."""

import re

import pandas as pd

from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "commands" / "compress.md"
CELLS = r"^\|" + 5 * r"([^|\n]*)\|" + "$"
MEASURED = ROOT / "results" / "pendulum" / "compressed" / "candidates.csv"


def test_the_table_says_what_was_measured() -> None:
    table = pd.read_csv(MEASURED).set_index("candidate")
    part = PAGE.read_text().split("## What it brought", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip(" `") for cell in row] for row in re.findall(CELLS, part, re.MULTILINE)]
    assert len(rows) == 2 + 10
    for name, size, value, interval, verdict in rows[2:]:
        measured = table.loc[name]
        assert abs(float(size.replace(",", "")) - measured["bytes"]) <= 0.5
        assert float(value.replace(",", "")) == round(measured["return"])
        if name != "original":
            ends = f"{measured.difference_low:+.0f} .. {measured.difference_high:+.0f}"
            assert interval == ends
            assert verdict == measured.verdict
