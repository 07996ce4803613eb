"""The page: everything about one or several runs in one HTML file without outside references."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import yaml

from sparse_rl import atomic_file
from sparse_rl.report.figures import (
    density,
    differences,
    fan_out,
    frontier,
    learning_curves,
    panel,
    schedule,
)
from sparse_rl.report.figures.appearance import inline_svg, write_figure
from sparse_rl.report.films import exported_films, own_film
from sparse_rl.report.findings import Findings, analyse
from sparse_rl.report.provenance import provenance
from sparse_rl.report.sentences import Sentence, criterion, no_loss, without_loss
from sparse_rl.runs import layout
from sparse_rl.runs.event_files import write_event_files
from sparse_rl.runs.run import Run
from sparse_rl.runs.settings import number, text
from sparse_rl.summary.kinds import kind_of
from sparse_rl.summary.table import HEADINGS, LEFT, formatted

LEADING: tuple[ModuleType, ...] = (panel, differences)
FOLLOWING: tuple[ModuleType, ...] = (learning_curves, frontier, schedule, density, fan_out)
TABLE_CAPTION = (
    "Return: interquartile mean over seeds with its 95 % bootstrap interval. Minus dense: mean "
    "over seeds of the difference between the variant and dense of the same seed, with its 95 % "
    "Student interval. P(better): that a seed of the variant beats a seed of dense. Weights: those "
    "that survive."
)


def write_report(run: Run) -> Path:
    """Write a run's page into RUN/report, and its event files whole; returns the page's path."""
    write_event_files(run.metrics, run.path / layout.EVENTS)
    return write_page([analyse(run)], run.path / layout.REPORT)


def write_page(findings: Sequence[Findings], directory: str | Path, title: str = "") -> Path:
    """Write index.html and figures/<run>/<figure>.png|svg; returns the page's path.

    Every file is written under a temporary name first and then renamed; the page comes last.
    """
    folder = Path(directory)
    names = _distinct([one.run.name for one in findings])
    anchors = _distinct([re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "run" for name in names])
    runs = [
        _run_view(one, name, anchor, folder / "figures" / name)
        for one, name, anchor in zip(findings, names, anchors, strict=True)
    ]
    heading = title or (
        f"Compression study: {names[0]}" if len(runs) == 1 else "Compression studies"
    )
    text = render(runs, heading)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    atomic_file.write_text(page, text)
    return page


def render(runs: Sequence[dict[str, Any]], title: str) -> str:
    """The page's HTML from the runs' views."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("page.html.j2")
    return template.render(
        title=title,
        runs=runs,
        headings=HEADINGS,
        left=LEFT,
    )


def _run_view(findings: Findings, name: str, identifier: str, figures: Path) -> dict[str, Any]:
    run, table, margin = findings.run, findings.table, findings.margin
    config = run.settings
    view: dict[str, Any] = {
        "name": name,
        "anchor": identifier,
        "environment": text(config, "environment"),
        "seeds": text(config, "seeds"),
        "description": _description(run),
        "dense": "-",
        "without_loss": "unfinished",
        "sentences": [Sentence("The run is not finished", "nothing can be said about loss yet")],
        "criterion": "",
        "rows": [],
        "films": [],
        "no_film": "",
        "table_caption": TABLE_CAPTION,
        "leading_figures": _figures(LEADING, findings, identifier, figures),
        "figures": _figures(FOLLOWING, findings, identifier, figures),
        "provenance": provenance(run),
        "configuration": yaml.safe_dump(dict(config), sort_keys=False),
    }
    if table is None or margin is None:
        return view
    cells = formatted(table)
    kinds = [kind_of(row) for row in table.to_dict("records")]
    first = [index > 0 and kinds[index] != kinds[index - 1] for index in range(len(kinds))]
    view["rows"] = [{"cells": row, "first": new} for row, new in zip(cells, first, strict=True)]
    view["dense"] = next((row["return"] for row in cells if row["verdict"] == "(dense)"), "-")
    view["without_loss"] = without_loss(table)
    view["sentences"] = no_loss(table)
    view["criterion"] = criterion(margin)
    films, why = own_film(run)
    view["films"] = [*films, *exported_films(run, table)]
    view["no_film"] = why
    return view


def _figures(
    kinds: Sequence[ModuleType], findings: Findings, identifier: str, directory: Path
) -> list[dict[str, str]]:
    views = []
    for kind in kinds:
        figure = kind.draw(findings)
        if figure is None:
            continue
        name = kind.__name__.rpartition(".")[2]
        caption = kind.caption(findings)
        write_figure(figure, directory, name)
        views.append(
            {
                "identifier": f"{identifier}-{name}",
                "title": kind.TITLE,
                "caption": caption,
                "svg": inline_svg(figure, f"{identifier}-{name}", f"{kind.TITLE}. {caption}"),
            }
        )
    return views


def _description(run: Run) -> str:
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


def _distinct(names: Sequence[str]) -> list[str]:
    """The names; where one comes again, it is numbered: run, run-2, run-3."""
    found: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in found:
            candidate, number = f"{name}-{number}", number + 1
        found.append(candidate)
    return found
