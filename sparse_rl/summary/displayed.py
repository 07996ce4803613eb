"""The final table as a data frame that shows itself as people want to read it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pandas as pd

from sparse_rl.summary.final_table import NOT_WORSE, UNDECIDED, WORSE
from sparse_rl.summary.kinds import Kind, kind_of
from sparse_rl.summary.table import HEADINGS, LEFT, formatted, markdown_table

VERDICT_COLORS = {NOT_WORSE: "#0a7d57", WORSE: "#c2410c", UNDECIDED: "#8a6d00"}
"""Dark enough on white and light enough on black."""

NEEDED = {
    *("variant", *Kind._fields, "achieved_sparsity", "seeds", "failed", "nonzero", "verdict"),
    *("return_iqm", "return_low", "return_high", "probability_of_improvement"),
    *("difference", "difference_low", "difference_high"),
}
"""Columns that the table is made of."""


class Summary(pd.DataFrame):
    """`final_table.final_table`, whose columns are all there; only its look is another.

    What is selected or computed from it is a plain data frame.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        plain = pd.DataFrame(self)
        return markdown_table(plain) if self._is_whole else repr(plain)

    def _repr_html_(self) -> str:
        plain = pd.DataFrame(self)
        return html_table(plain) if self._is_whole else str(plain.to_html())

    @property
    def _is_whole(self) -> bool:
        """Whether nobody has removed a column, in place, that the final table shows."""
        return len(self) > 0 and set(self.columns) >= NEEDED


def html_table(table: pd.DataFrame) -> str:
    """The final table for a notebook, which has styles of its own for light and dark."""
    head = "".join(_cell("th", key, heading) for key, heading in HEADINGS.items())
    kinds = [kind_of(row) for row in table.to_dict("records")]
    rows = []
    for index, row in enumerate(formatted(table)):
        begins = index > 0 and kinds[index] != kinds[index - 1]
        line = ' style="border-top:1px solid"' if begins else ""
        cells = "".join(_cell("td", key, row[key]) for key in HEADINGS)
        rows.append(f"<tr{line}>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(element: str, key: str, text: str) -> str:
    style = f"text-align:{'left' if key in LEFT else 'right'};white-space:nowrap"
    if key == "verdict" and text in VERDICT_COLORS:
        style += f";color:{VERDICT_COLORS[text]};font-weight:600"
    return f'<{element} style="{style}">{escape(text)}</{element}>'
