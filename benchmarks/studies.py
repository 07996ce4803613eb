"""The studies whose results are kept: every folder results/NAME with a finished run's metrics.

A study is read as any run directory is (`sparse_rl.runs.run`): metrics.csv.gz, config.yaml and
versions.txt are enough. A folder that is put there is found; nothing lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sparse_rl.environment_name import taken_apart
from sparse_rl.runs.run import Run
from sparse_rl.summary.final_table import final_table, not_worse_in_order, random_return
from sparse_rl.summary.kinds import Kind, kind_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
METRICS = "metrics.csv.gz"

FLOAT32, INT8 = "float32", "int8"


@dataclass(frozen=True, eq=False)
class Study:
    """A finished run with its final table.

    Attributes:
        run: the folder in results/.
        table: one row for each variant, as `summary.final_table.final_table` makes it.
        random: mean return of acting at random; nan where the run recorded none.
        repeats: the same study with other seeds, from the folders inside it.
    """

    run: Run
    table: pd.DataFrame
    random: float
    repeats: tuple[Study, ...] = ()

    @property
    def commands(self) -> list[str]:
        """What makes it today: the README's commands of its folder, else those that were typed.

        Defaults have changed since some were typed, and what went before may belong to them; the
        README's end with the one that writes the same run directory.
        """
        typed = self.run.commands
        readme = self.run.path / "README.md"
        if not typed or not readme.is_file():
            return typed
        lines = re.sub(r" *\\\n *", " ", readme.read_text()).splitlines()
        said = [line.strip() for line in lines if line.startswith("    python -m sparse_rl.")]
        same = [number for number, command in enumerate(said) if _out(command) == _out(typed[-1])]
        return said[: same[0] + 1] if same else typed

    @property
    def caution(self) -> str:
        """What its folder's README has after "Caution: ", for whom the numbers would mislead.

        It has a place on the page only, with these words.
        """
        readme = self.run.path / "README.md"
        lines = readme.read_text().splitlines() if readme.is_file() else []
        said = [line.removeprefix("Caution: ") for line in lines if line.startswith("Caution: ")]
        return " ".join(said)

    @property
    def task(self) -> str:
        """The environment without its options; the suite where others have the task: Hopper-v4."""
        suite, task, _ = taken_apart(self.run.config.environment)
        return f"{task} ({suite})" if suite in ("brax", "atari") else task

    @property
    def agent(self) -> str:
        """SAC or DQN."""
        return self.run.config.agent.name.upper()

    @property
    def distribution(self) -> str:
        """How a level is spread over the layers."""
        return self.run.config.sparsity.distribution

    @property
    def title(self) -> str:
        """What tells it apart from the others."""
        pruned = [self.distribution] if self.is_pruned else []
        critics = ["sparse critics"] * (len(self.run.config.sparsity.critic_levels) > 1)
        levels = [level for level in self.run.config.sparsity.levels if level > 0]
        one = self.compares and len(levels) == 1
        at = [f"at {100 * level:g} %" for level in levels] if one else []
        own = [*pruned, *critics, *self.other_layers, *self.other_steps, *self.other_methods, *at]
        own += ["laptop"] * self.is_for_two_cores
        return ", ".join([self.task, self.agent, *own])

    @property
    def is_for_two_cores(self) -> bool:
        """Whether it is its task's experiment for a laptop, of which a larger one is there too."""
        task = self.task.lower().replace("-", "_")
        name = f" {self.agent.lower()}_laptop_{task} "
        return any(name in f"{command} " for command in self.commands)

    @property
    def anchor(self) -> str:
        """Of its heading on the page, as Markdown makes it of the title."""
        kept = "".join(letter for letter in self.title.lower() if letter not in ",.()")
        return kept.replace(" ", "-")

    @property
    def other_layers(self) -> list[str]:
        """The hidden layers, where its command asked for others than its experiment has."""
        asked = any("--network.hidden" in command for command in self.run.commands)
        units = "-".join(map(str, self.run.config.network.hidden))
        return [f"{units} units"] * asked

    @property
    def other_steps(self) -> list[str]:
        """How long it was trained, where its command asked for another budget."""
        asked = any("--training.steps" in command for command in self.run.commands)
        return [f"{self.run.config.training.steps:,} steps"] * asked

    @property
    def other_methods(self) -> list[str]:
        """Sparsity methods beside gradual pruning."""
        return [name for name in self.run.config.sparsity.methods if name != "gradual"]

    @property
    def method(self) -> str:
        """The sparsity method that its picture is of."""
        return str(self.run.config.sparsity.methods[0])

    @property
    def compares(self) -> bool:
        """Whether it is about methods or critics, and has a place on the page only."""
        sparsity = self.run.config.sparsity
        return len(sparsity.methods) > 1 or len(sparsity.critic_levels) > 1

    @property
    def goes_on(self) -> bool:
        """Whether it began with another run's dense members; it has a place on the page only."""
        return bool(self.run.config.start.run)

    @property
    def sparsest(self) -> float:
        """The highest level that is not worse than dense, in order; 0 where none is."""
        kept = not_worse_in_order(self.table)
        return float(self.table.loc[kept, "target_sparsity"].max() if kept.any() else 0.0)

    @property
    def is_pruned(self) -> bool:
        """Whether it has more than the dense network to show."""
        return bool((self.table["target_sparsity"] > 0).any())

    @property
    def has_levels(self) -> bool:
        """Whether a line can be drawn of it: dense and several levels."""
        return self.table["target_sparsity"].nunique() > 2

    @property
    def dense(self) -> pd.Series:
        """The row of the dense network. Raises IndexError where the study has none."""
        return self.of_arithmetic(FLOAT32).query("target_sparsity == 0").iloc[0]

    @property
    def has_learned(self) -> bool:
        """Whether dense is better than acting at random, its whole interval."""
        rows = self.of_arithmetic(FLOAT32).query("target_sparsity == 0")
        low = rows["return_low"].fillna(rows["return_iqm"])
        return bool(len(rows) and np.isfinite(self.random) and (low > self.random).all())

    @property
    def of_all_seeds(self) -> pd.DataFrame | None:
        """The final table over its own seeds and its repeats'; None where they share a seed."""
        every = [self.run, *(repeat.run for repeat in self.repeats)]
        seeds = [seed for run in every for seed in run.config.seed_numbers]
        if not self.repeats or len(set(seeds)) < len(seeds):
            return None
        return final_table(pd.concat([run.metrics for run in every], ignore_index=True))

    def of_arithmetic(self, arithmetic: str) -> pd.DataFrame:
        """The rows of the first method, and of no sparsity, that have a seed, by level."""
        kinds = [kind_of(row) for row in self.table.to_dict("records")]
        levels = self.table["target_sparsity"].to_list()
        own = [
            kind == Kind(self.method if level > 0 else kind.method, arithmetic=arithmetic)
            for kind, level in zip(kinds, levels, strict=True)
        ]
        rows = self.table[np.array(own, bool) & (self.table["seeds"] > 0).to_numpy()]
        return rows.sort_values("target_sparsity")

    def normalized(self, arithmetic: str) -> pd.DataFrame:
        """Level, value, low, high in one arithmetic: shares of the way from random (0) to dense.

        (return - random) / (dense - random), the interquartile means and the ends of their
        intervals over seeds; random and dense are taken as they are, without intervals of their
        own, so dense's own interval shows how well the 1 is known.
        """
        rows = self.of_arithmetic(arithmetic)
        span = self.dense["return_iqm"] - self.random
        columns = {"value": "return_iqm", "low": "return_low", "high": "return_high"}
        return pd.DataFrame(
            {
                "level": rows["target_sparsity"].to_numpy(float),
                **{
                    name: (rows[column].to_numpy(float) - self.random) / span
                    for name, column in columns.items()
                },
            }
        )


def _out(command: str) -> str:
    """The run directory that it writes."""
    return command.partition("--out ")[2].partition(" ")[0]


def read(folder: Path) -> Study:
    """The study in a folder, and the repeats inside it. Raises ValueError, one line, as `Run`."""
    run = Run(folder)
    metrics = run.metrics
    random = random_return(metrics)
    return Study(
        run,
        run.summary(),
        float("nan") if random is None else random,
        tuple(read(file.parent) for file in sorted(folder.glob(f"*/{METRICS}"))),
    )


def read_all(results: Path = RESULTS) -> list[Study]:
    """All studies: what has learned and was pruned first, of many seeds before few.

    Of as many seeds and steps, what was pruned furthest without loss is first.
    """
    found = [read(file.parent) for file in results.glob(f"*/{METRICS}")]
    return sorted(
        found,
        key=lambda study: (
            not (study.is_pruned and study.has_learned and not study.caution),
            -study.run.config.seeds,
            study.run.config.training.steps,
            -study.sparsest,
            study.title,
        ),
    )


def drawn(studies: list[Study]) -> list[Study]:
    """Those of `shown` that have a line in the picture."""
    return [study for study in shown(studies) if study.has_levels]


def shown(studies: list[Study]) -> list[Study]:
    """Those that stand in the short table: pruned, and with something to lose."""
    return [
        study
        for study in studies
        if study.is_pruned
        and study.has_learned
        and not (study.compares or study.goes_on or study.caution)
    ]
