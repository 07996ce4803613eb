"""The page that compares several runs: a table, and one figure of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sparse_rl.arithmetics import QUANTIZED
from sparse_rl.report.figures import normalized
from sparse_rl.report.findings import Findings
from sparse_rl.report.html import figure_view
from sparse_rl.report.templates import render
from sparse_rl.runs.settings import number, text
from sparse_rl.summary.final_table import OF_DENSE, not_worse_in_order
from sparse_rl.summary.table import formatted

HEADINGS = {
    "run": "run",
    "smallest": "smallest not worse",
    "return": "return (IQM)",
    "interval": "95 %",
    "dense": "dense",
    "sparsity": "sparsity",
    "environment": "environment",
    "agent": "agent",
    "method": "method",
    "seeds": "seeds",
    "steps": "steps",
}
LEFT = ("run", "environment", "smallest", "agent", "method")
CAPTION = (
    'The smallest variant of each method that is shown to be "not worse" than the dense one of the '
    "same run, as all less sparse ones of its kind are: of the weights that survive, float32 "
    "counts four bytes each and int8 one. Every run's own page has all of its variants."
)
BYTES = dict.fromkeys(QUANTIZED, 1)
"""Of a weight; of every other arithmetic it is four."""


def overview(
    findings: Sequence[Findings],
    names: Sequence[str],
    addresses: Sequence[str],
    figures: Path,
    title: str = "",
) -> str:
    """The page's HTML; `addresses` lead to the runs' own pages, `figures` gets the figure's files.

    A run has a row for each of its methods.
    """
    rows = [
        row | {"address": address}
        for one, name, address in zip(findings, names, addresses, strict=True)
        for row in rows_of(one, name)
    ]
    figure = figure_view(
        lambda: normalized.draw(findings, names),
        "normalized",
        "overview",
        normalized.TITLE,
        normalized.caption,
        figures,
    )
    return render(
        "overview.html.j2",
        title=title or "Compression studies",
        byline=f"{len(findings)} runs \N{MIDDLE DOT} written by sparse_rl",
        refresh=0,
        caption=CAPTION,
        headings=HEADINGS,
        left=LEFT,
        rows=rows,
        figures=[] if figure is None else [figure],
        notices=normalized.left_out(findings, names),
    )


def rows_of(findings: Findings, name: str) -> list[dict[str, Any]]:
    """A row for each method of a run; what the methods share stands in the first alone."""
    run, table = findings.run, findings.table
    settings = run.settings
    shared = {
        "name": name,
        "run": name,
        "environment": text(settings, "environment"),
        "agent": text(settings, "agent.name").upper(),
        "seeds": text(settings, "seeds"),
        "steps": f"{int(number(settings, 'training.steps')):,}",
    }
    if table is None:
        nothing = dict.fromkeys(("return", "interval", "dense", "sparsity"), "-")
        method = ", ".join(sorted({variant.method for variant in run.variants.values()}))
        return [shared | nothing | {"smallest": "not finished", "method": method, "first": False}]
    cells = dict(zip(table["variant"], formatted(table), strict=True))
    dense = next(
        (cells[v]["return"] for v in table.loc[table["verdict"] == OF_DENSE, "variant"]), "-"
    )
    compared = table[table["verdict"] != OF_DENSE]
    # One that is only quantized belongs to every method, and makes no row of its own.
    is_pruned = (compared[["target_sparsity", "critic_sparsity"]] > 0).any(axis="columns")
    methods = list(dict.fromkeys(compared[is_pruned]["method"])) or [str(table["method"].iloc[0])]
    rows = []
    for index, method in enumerate(methods):
        best = smallest_not_worse(compared[~is_pruned | (compared["method"] == method)])
        found = cells[best["variant"]] if best is not None else {}
        row = shared if index == 0 else {**dict.fromkeys(shared, ""), "name": name}
        rows.append(
            row
            | {
                "method": method,
                "dense": dense if index == 0 else "",
                "smallest": found.get("variant", "none"),
                "return": found.get("return", "-"),
                "interval": found.get("return_interval", "-"),
                "sparsity": found.get("achieved", "-"),
                "first": index == 0 and len(methods) > 1,
            }
        )
    return rows


def smallest_not_worse(rows: pd.DataFrame) -> pd.Series | None:
    """The row whose surviving weights take the fewest bytes, of those that are not worse, in order.

    Of equal ones the sparser. None where no variant is shown to be.
    """
    found = rows[not_worse_in_order(rows)]
    if found.empty:
        return None
    each = found["arithmetic"].map(BYTES).fillna(4)
    weights = found["nonzero"].where(found["nonzero"].notna(), 1 - found["target_sparsity"])
    order = pd.DataFrame({"bytes": each * weights, "kept": 1 - found["target_sparsity"]})
    return found.loc[order.sort_values(["bytes", "kept"]).index[0]]
