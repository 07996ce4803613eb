"""The page: everything about one run in one HTML file without outside references.

Several runs get a page each, and before them one that compares them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sparse_rl import atomic_file
from sparse_rl.config.error import show
from sparse_rl.report.findings import Findings, analyse
from sparse_rl.report.overview import overview
from sparse_rl.report.run_view import ORDER, run_view
from sparse_rl.report.templates import render
from sparse_rl.runs import layout, timing
from sparse_rl.runs.event_files import write_event_files
from sparse_rl.runs.run import Run
from sparse_rl.summary.table import HEADINGS, LEFT

RELOAD = 20
"""Seconds after which a browser reads the page of an unfinished run again."""
PAGE = "index.html"


def write_report(run: Run) -> Path:
    """Write a run's page into RUN/report, and its event files whole; returns the page's path.

    Raises TypeError, one line, where it is given a directory's name and no `Run` of it.
    """
    if not isinstance(run, Run):
        raise TypeError(f"run: found {show(run)}; allowed: a sparse_rl.Run")
    write_event_files(run.metrics, run.variants, run.path / layout.EVENTS)
    timing.write_events(run.path)
    return write_page([analyse(run)], run.path / layout.REPORT)


def write_live_page(run: Run, where: str) -> Path:
    """The page of a run that is being trained, which reloads itself; `where` says how far it is.

    Its figures are in it and not beside it: files of them are written at the end.
    """
    findings = analyse(run)
    now = time.strftime("%H:%M:%S")
    view = run_view(findings, run.name, "run", None, f"at {where}, written at {now}")
    text = _page(view, f"Compression study: {run.name}", RELOAD)
    return _write(run.path / layout.REPORT, text)


def write_page(findings: Sequence[Findings], directory: str | Path, title: str = "") -> Path:
    """Write index.html and figures/<run>/<figure>.png|svg; returns the page's path.

    Of several runs it is the page that compares them; each has its own in <run>/index.html, with
    its figures beside it. Every file is written under a temporary name first and then renamed; the
    page comes last. Raises OSError, too, where `directory` is a file.
    """
    folder = Path(directory)
    atomic_file.check_folder(folder)  # before the first figure is drawn
    names = distinct([one.run.name for one in findings])
    if len(findings) == 1:
        view = run_view(findings[0], names[0], names[0], folder / "figures" / names[0])
        if (folder / layout.PLAYED_LIVE).is_file():
            view["played_live"] = layout.PLAYED_LIVE
        return _write(folder, _page(view, title or f"Compression study: {names[0]}"))
    for one, name in zip(findings, names, strict=True):
        write_page([one], folder / name)
    addresses = [f"{name}/{PAGE}" for name in names]
    return _write(folder, overview(findings, names, addresses, folder / "figures", title))


def distinct(names: Sequence[str]) -> list[str]:
    """The names; where one comes again, it is numbered: run, run-2, run-3."""
    found: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in found:
            candidate, number = f"{name}-{number}", number + 1
        found.append(candidate)
    return found


def _page(view: dict[str, object], title: str, refresh: int = 0) -> str:
    return render(
        "page.html.j2",
        title=title,
        byline="written by sparse_rl",
        refresh=refresh,
        run=view,
        headings={key: HEADINGS[key] for key in ORDER},
        left=LEFT,
    )


def _write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    atomic_file.write_text(folder / PAGE, text)
    return folder / PAGE
