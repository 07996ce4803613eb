"""What the page shows of one run, as plain values for its template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from sparse_rl.report import seeds
from sparse_rl.report.figures import (
    density,
    differences,
    fan_out,
    frontier,
    learning_curves,
    panel,
    schedule,
)
from sparse_rl.report.films import exported_films, own_film
from sparse_rl.report.findings import Findings
from sparse_rl.report.html import anchor, figure_view
from sparse_rl.report.levels import notices
from sparse_rl.report.provenance import provenance
from sparse_rl.report.sentences import Sentence, criterion, failures, no_loss
from sparse_rl.runs.run import Run
from sparse_rl.runs.settings import number, text
from sparse_rl.summary.kinds import kind_of
from sparse_rl.summary.table import formatted

LEADING: tuple[ModuleType, ...] = (panel, differences)
FOLLOWING: tuple[ModuleType, ...] = (learning_curves, frontier, schedule, density, fan_out)
NARROW = 3.9
"""Inches of a figure on a telephone, where it is as wide as the text and letters as large."""
ORDER = (
    *("variant", "return", "verdict", "return_interval", "difference", "difference_interval"),
    *("probability", "achieved", "weights", "seeds"),
)
"""Columns of the table of variants: on a telephone the first three are seen."""
TABLE_CAPTION = (
    "Return: interquartile mean over seeds with its 95 % bootstrap interval. Minus dense: mean "
    "over seeds of the difference between the variant and dense of the same seed, with its 95 % "
    "Student interval. P(better): that a seed of the variant beats a seed of dense. Weights: those "
    "that survive."
)


def run_view(
    findings: Findings, name: str, identifier: str, figures: Path | None, where: str = ""
) -> dict[str, Any]:
    """All that page.html.j2 shows; `where` says how far a run is that is being trained."""
    run, table, margin = findings.run, findings.table, findings.margin
    config, prefix = run.settings, anchor(identifier)
    detail = f"{where}; nothing" if where else "nothing"
    view: dict[str, Any] = {
        "name": name,
        "anchor": prefix,
        "environment": text(config, "environment"),
        "description": describe(run),
        "sentences": [Sentence("The run is not finished", f"{detail} can be said about loss yet")],
        "criterion": "",
        "notices": [],
        "rows": [],
        "seed_table": None,
        "so_far": [],
        "films": [],
        "no_film": "",
        "played_live": "",
        "table_caption": TABLE_CAPTION,
        "leading_figures": _figures(LEADING, findings, prefix, figures, NARROW),
        "figures": _figures(FOLLOWING, findings, prefix, figures),
        "provenance": provenance(run),
        "configuration": yaml.safe_dump(dict(config), sort_keys=False),
    }
    if where or table is None:
        view["so_far"] = seeds.so_far(run.metrics)
    if table is None:
        return view
    cells = formatted(table)
    kinds = [kind_of(row) for row in table.to_dict("records")]
    first = [index > 0 and kinds[index] != kinds[index - 1] for index in range(len(kinds))]
    view["rows"] = [{"cells": row, "first": new} for row, new in zip(cells, first, strict=True)]
    view["seed_table"] = seeds.seed_table(run.metrics, margin)
    unfinished = [Sentence("The run is not finished", where)] if where else []
    view["sentences"] = [*unfinished, *no_loss(table)]
    view["criterion"] = criterion(margin, table, findings.longer)
    view["notices"] = [*notices(table), *failures(table)]
    if where:  # its film is made at the end
        return view
    films, why = own_film(run)
    view["films"] = [*films, *exported_films(run, table)]
    view["no_film"] = why
    return view


def _figures(
    kinds: Sequence[ModuleType],
    findings: Findings,
    prefix: str,
    directory: Path | None,
    narrow: float = 0.0,
) -> list[dict[str, Any]]:
    """Those that there is something to draw of; with `narrow`, in that many inches once more."""
    views = [
        figure_view(
            lambda kind=kind: kind.draw(findings),  # type: ignore[misc]
            kind.__name__.rpartition(".")[2],
            prefix,
            kind.TITLE,
            lambda kind=kind: kind.caption(findings),  # type: ignore[misc]
            directory,
            lambda kind=kind: kind.draw(findings, width=narrow) if narrow else None,  # type: ignore[misc]
        )
        for kind in kinds
    ]
    return [view for view in views if view is not None]


def describe(run: Run) -> str:
    """Agent, network, seeds, steps and distribution, in one line."""
    config = run.settings
    network = " ".join(text(config, f"network.{key}") for key in ("torso", "hidden"))
    distribution = text(config, "sparsity.distribution")
    parts = [
        text(config, "agent.name").upper(),
        network.strip(),
        f"{text(config, 'seeds')} seeds",
        f"{int(number(config, 'training.steps')):,} steps",
        f"{distribution} distribution" if distribution else "",
    ]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)
