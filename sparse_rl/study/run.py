"""A finished run, as notebooks see it: its metrics, its summary, its actors."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pandas as pd

from sparse_rl import envs
from sparse_rl.architecture import observation_of, output_of
from sparse_rl.artifact.lowering import lower, of_seed, read_policies
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.report import run_directory
from sparse_rl.report.statistics import final_table
from sparse_rl.report.table import markdown_table


class Run:
    """What a run directory holds. Raises ValueError, one line, where a file is missing."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def config(self) -> Config:
        return from_mapping(run_directory.read_config(self.path))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv: one row per member, step and metric."""
        return run_directory.read_metrics(self.path / "metrics.csv")

    def summary(self) -> pd.DataFrame:
        """One row per arm: return with its interval, difference from dense, weights."""
        return final_table(self.metrics)

    def final_returns(self, arm: str) -> dict[int, float]:
        """Return of every seed of an arm in its last evaluation.

        Raises ValueError where the run has no such arm.
        """
        arms = self._final
        if arm not in arms:
            known = ", ".join(arms) or "none, the run is not finished"
            raise ValueError(f"arm: found {arm}; allowed: {known}")
        return arms[arm]

    @property
    def arms(self) -> list[str]:
        """Names of the arms that have had their last evaluation."""
        return list(self._final)

    @cached_property
    def _final(self) -> dict[str, dict[int, float]]:
        """Return of every seed in the last evaluation of every arm."""
        final = self.metrics.query("phase == 'final' and metric == 'return'")
        arms: dict[str, dict[int, float]] = {}
        columns = (final[name] for name in ("sparsity", "quantization", "seed", "value"))
        for sparsity, quantization, seed, value in zip(*columns, strict=True):
            name = run_directory.arm_name(sparsity, quantization)
            arms.setdefault(name, {})[int(seed)] = float(value)
        return arms

    def policies(self, arm: str) -> Path:
        """The file with an arm's parameters and masks, stacked over seeds."""
        return self.path / "policies" / f"{arm}.safetensors"

    def packed(self, arm: str, seed: int) -> PackedActor:
        """The policy of one seed of an arm as `sparse_rl.export` writes it.

        Raises ValueError where the run has no such arm or seed.
        """
        returns, config = self.final_returns(arm), self.config
        if seed not in returns:
            known = f"{config.seed_numbers[0]} to {config.seed_numbers[-1]}"
            raise ValueError(f"seed: found {seed}; allowed: {known}")
        arrays = read_policies(self.policies(arm))
        spec = envs.make(config.environment, evaluation=True).spec
        graph = lower(
            of_seed(arrays, seed - config.first_seed),
            config.network.torso,
            arm.partition("-")[2] or "float32",  # type: ignore[arg-type]
            observation_of(spec),
            output_of(spec),
        )
        about = Provenance(config.environment, arm, seed, config.digest(), returns[seed])
        return PackedActor(graph, about)

    def actor(self, arm: str, seed: int) -> Actor:
        """One trained policy as a function of an observation, or of a batch of them."""
        return Actor(self.packed(arm, seed))

    def write_report(self) -> Path:
        """Tables and figures as one page, report/index.html, and whole event files; its path."""
        # Imported here: drawing needs Matplotlib, and few who load a run draw.
        from sparse_rl.report.event_files import write_event_files
        from sparse_rl.report.findings import analyse
        from sparse_rl.report.page import write_report

        write_event_files(self.metrics, self.path / run_directory.EVENTS)
        return write_report([analyse(run_directory.read_run(self.path))], self.path / "report")

    def summary_text(self) -> str:
        """The summary as Markdown, headed by what was run."""
        config = self.config
        return (
            f"# {config.environment}, {config.agent.name.upper()}, {config.seeds} seeds, "
            f"{config.training.steps:,} steps\n\n{markdown_table(self.summary())}\n"
        )
