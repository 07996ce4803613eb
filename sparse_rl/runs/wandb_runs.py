"""Weights & Biases runs from metrics: one W&B run for each variant and seed, like event files.

One run per member and not one for the whole study: members then share their charts, metric by
metric, and W&B itself draws the mean and the spread over seeds when runs are grouped by job type,
which is the variant. The step of every point is the environment step of the member.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sparse_rl import atomic_file
from sparse_rl.config.error import ConfigError
from sparse_rl.runs.layout import FINAL, METRICS
from sparse_rl.runs.layout import WANDB as STATE
from sparse_rl.runs.metrics import by_member
from sparse_rl.runs.variant import Variant


class Sent(NamedTuple):
    """What W&B has been given: the study's own identifier there, and each member's last step."""

    study: str
    steps: dict[str, int]
    finished: list[str]


def require_package() -> None:
    """Raises `ConfigError` where the package is missing."""
    if importlib.util.find_spec("wandb") is None:
        raise ConfigError(
            "log.wandb: the package wandb is missing; allowed: after pip install 'sparse_rl[wandb]'"
        )


class WandbRuns:
    """The W&B runs of one run directory, each open from its first rows to its final evaluation.

    What was sent is noted in wandb.json, so that a resumed run continues the same W&B runs and
    sends no point twice: rows up to the last step of a member are passed over.
    """

    def __init__(
        self,
        directory: Path,
        project: str,
        config: Mapping[str, Any],
        variants: Mapping[str, Variant],
    ) -> None:
        self.directory = directory
        self.project = project
        self.config = config
        self.variants = variants
        self._sent = _read(directory / STATE)
        self._open: dict[str, Any] = {}
        self._gave_up = False

    def start(self, variant: str, seed: int) -> None:
        """Opens the run of one member, so that a refusal comes before the training.

        Raises:
            ConfigError: W&B refuses, for example because nobody is logged in.
        """
        self._write()
        if _name(variant, seed) in self._sent.finished:
            return
        try:
            self._run(variant, seed)
        except Exception as error:  # W&B's own, the network's or the disk's: its words say which
            raise ConfigError(
                f"log.wandb: Weights & Biases refuses: {error}; allowed: after wandb login, or "
                f"with WANDB_MODE=offline"
            ) from None

    def append(self, metrics: pd.DataFrame) -> None:
        """Sends the rows that have not been sent; final ones go to the run's summary, as final/...

        After a failure it warns once and sends no more: training continues, metrics.csv has all.
        """
        if self._gave_up:
            return
        try:
            for variant, seed, rows in by_member(metrics):
                self._send(variant, seed, rows)
            self._write()
        except Exception as error:  # whatever it is, hours of training are worth more
            self._give_up(error)

    def close(self) -> None:
        """Ends the runs that are still open: interrupted ones, which a resumed run continues."""
        try:
            for run in self._open.values():
                run.finish(exit_code=1)
        except Exception as error:
            self._give_up(error)
        self._open.clear()

    def _give_up(self, error: Exception) -> None:
        self._gave_up = True
        line = " ".join(str(error).split()) or type(error).__name__
        kept = self.directory / METRICS
        warnings.warn(f"log.wandb: stopped ({line}); {kept} has everything", stacklevel=3)

    def _send(self, variant: str, seed: int, rows: pd.DataFrame) -> None:
        name = _name(variant, seed)
        if name in self._sent.finished:
            return
        is_final = rows["phase"] == FINAL
        new = rows[~is_final & (rows["step"] > self._sent.steps.get(name, -1))]
        for step, point in new.groupby("step", sort=True):
            run = self._run(variant, seed)
            values = dict(zip(point["metric"], map(float, point["value"]), strict=True))
            run.log(values, step=int(str(step)), commit=True)
            self._sent.steps[name] = int(str(step))
        if is_final.any():
            run = self._run(variant, seed)
            final = rows[is_final]
            for metric, value in zip(final["metric"], final["value"], strict=True):
                run.summary[f"final/{metric}"] = float(value)
            run.finish()
            self._sent.finished.append(name)
            del self._open[name]

    def _run(self, variant: str, seed: int) -> Any:
        """A member's W&B run, opened or continued."""
        import wandb

        name = _name(variant, seed)
        if name not in self._open:
            record = self.variants[variant].to_mapping()
            member = {"variant": variant, **record, "seed": seed}
            self._open[name] = wandb.init(
                project=self.project,
                id=f"{self._sent.study}-{variant}-seed-{seed}",
                name=name,
                group=self.directory.resolve().name,
                job_type=variant,
                config={**self.config, "member": member},
                dir=str(self.directory),
                resume="allow",
                reinit="create_new",
                # Hundreds of runs in one process: none of them watches the terminal or the machine.
                settings=wandb.Settings(
                    console="off", silent=True, disable_git=True, x_disable_stats=True
                ),
            )
        return self._open[name]

    def _write(self) -> None:
        told = json.dumps(self._sent._asdict(), indent=1)
        atomic_file.write_text(self.directory / STATE, f"{told}\n")


def _name(variant: str, seed: int) -> str:
    return f"{variant}/seed-{seed}"


def _read(file: Path) -> Sent:
    if not file.is_file():
        return Sent(secrets.token_hex(4), {}, [])
    try:
        return Sent(**json.loads(file.read_text()))
    except (ValueError, TypeError):
        raise ConfigError(
            f"log.wandb: {file} is damaged; allowed: without it, which begins new W&B runs"
        ) from None
