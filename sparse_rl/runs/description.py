"""What a run says of itself, in a line and in a notebook."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from sparse_rl.runs import layout
from sparse_rl.runs.settings import text
from sparse_rl.runs.variant import Variant
from sparse_rl.summary.displayed import Summary

PANEL = "panel.svg"
"""Of the report's figures the one that is shown with the run."""


class Readable(Protocol):
    """The parts of a run that are shown."""

    path: Path

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def metrics(self) -> pd.DataFrame: ...
    @property
    def variants(self) -> dict[str, Variant]: ...
    @property
    def finished(self) -> list[str]: ...
    def summary(self) -> Summary: ...


class Shown:
    """A run that shows itself; where it is damaged it says so and raises nothing."""

    def __repr__(self: Readable) -> str:
        """Where it is and what it is, in one line."""
        return f"Run({str(self.path)!r}: {_in_words(self)})"

    def _repr_html_(self: Readable) -> str:
        """The line, the final table, and the panel where the run's report has one.

        The picture is in it: nothing is fetched.
        """
        parts = [f"<p><b>{escape(self.name)}</b>: {escape(_in_words(self))}</p>"]
        try:
            if self.finished:
                parts += [self.summary()._repr_html_(), _panel(self)]
        except ValueError:  # the line says why
            pass
        return "".join(parts)


def _in_words(run: Readable) -> str:
    """Environment, agent, seeds, and how far it is; why not, where it cannot be read."""
    try:
        settings, metrics, variants = run.settings, run.metrics, run.variants
        final = run.finished
    except ValueError as error:
        return f"cannot be read: {error}"
    agent, seeds = text(settings, "agent.name").upper(), text(settings, "seeds")
    what = f"{text(settings, 'environment')}, {agent}, {seeds} seeds"
    names = ", ".join(final)
    if len(final) == len(variants):
        return f"{what}; finished, variants {names}"
    step = f"at step {int(metrics['step'].max()):,}" if len(metrics) else "no step recorded yet"
    return f"{what}; not finished, {step}" + (f"; finished variants {names}" if names else "")


def _panel(run: Readable) -> str:
    try:
        content = (run.path / layout.REPORT / "figures" / run.name / PANEL).read_bytes()
    except OSError:
        return ""
    return (
        f'<img alt="Return against sparsity" style="max-width:640px;width:100%" '
        f'src="data:image/svg+xml;base64,{base64.b64encode(content).decode()}">'
    )
