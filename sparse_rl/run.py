"""A finished run, as notebooks see it: its metrics, its summary, its actors."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pandas as pd

from sparse_rl import config as configuration
from sparse_rl.config import Config
from sparse_rl.report import run_directory
from sparse_rl.report.statistics import final_table
from sparse_rl.report.table import markdown_table


class Run:
    """What a run directory holds. Raises ValueError, one line, where a file is missing."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def config(self) -> Config:
        return configuration.from_yaml((self.path / "config.yaml").read_text())

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv: one row per member, step and metric."""
        return run_directory.read_metrics(self.path / "metrics.csv")

    def summary(self) -> pd.DataFrame:
        """One row per arm: return with its interval, difference from dense, weights."""
        return final_table(self.metrics)

    def summary_text(self) -> str:
        """The summary as Markdown, headed by what was run."""
        config = self.config
        return (
            f"# {config.environment}, {config.agent.name.upper()}, {config.seeds} seeds, "
            f"{config.training.steps:,} steps\n\n{markdown_table(self.summary())}\n"
        )
