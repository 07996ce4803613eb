"""Everything about one run that figures and page share: its metrics, final table and margin."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sparse_rl.runs.layout import FINAL
from sparse_rl.runs.run import Run
from sparse_rl.runs.settings import number
from sparse_rl.summary.final_table import Margin, default_margin, final_table


@dataclass(frozen=True)
class Findings:
    """A run with its statistics.

    Attributes:
        run: the run directory.
        table: `summary.final_table`; None while the run has no final evaluation.
        margin: what counts as no loss; nan without a table.
    """

    run: Run
    table: pd.DataFrame | None
    margin: Margin

    @property
    def longer(self) -> float:
        """By which share of its steps an arithmetic trains longer than float32."""
        return number(self.run.settings, "quantization.fraction", 0.0)


def analyse(run: Run, margin: float | None = None) -> Findings:
    """The findings of a run; `margin` (units of return) replaces the default one."""
    if not (run.metrics["phase"] == FINAL).any():
        return Findings(run, None, Margin(float("nan"), "the run is not finished"))
    chosen = default_margin(run.metrics) if margin is None else Margin(margin, "as asked for")
    return Findings(run, final_table(run.metrics, chosen.value), chosen)
