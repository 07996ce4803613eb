"""What training hands to its run directory: rows, policies, times; and to who watches curves."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import pandas as pd

from sparse_rl.architecture import Network
from sparse_rl.checkpoints.tensor_file import CorruptFileError
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.runs import layout, timing
from sparse_rl.runs.event_files import append_events, write_event_files
from sparse_rl.runs.metrics import Row, read_metrics, table_of
from sparse_rl.runs.record import Span
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.runs.wandb_runs import WandbRuns, require_package
from sparse_rl.runs.writer import RunWriter, free
from sparse_rl.runtime import devices
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.study.phases import Member, Phase
from sparse_rl.study.versions import versions


def rows_of(
    step: int, phase: str, members: Iterable[Member], metrics: dict[str, np.ndarray]
) -> list[Row]:
    """One row per member and metric; values that are not there (nan) are left out."""
    return [
        Row(
            step=step,
            phase=phase,
            seed=member.seed,
            variant=member.variant.name,
            metric=name,
            value=float(values[i]),
        )
        for name, values in metrics.items()
        for i, member in enumerate(members)
        if not np.isnan(values[i])
    ]


class Recorder:
    """Records one run: its directory, its event files and, where asked for, W&B's runs.

    Of several processes only the first writes; the others' recorders do nothing. What cannot be
    written is a `ConfigError` of one line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writes = devices.is_first()
        self._writer = RunWriter(path)
        self._began: float | None = None
        self._last: timing.Moment | None = None
        self._wandb: WandbRuns | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lets others have the directory."""
        if self._wandb is not None:
            self._wandb.close()
            self._wandb = None
        self._writer.close()

    def check(self, config: Config) -> None:
        """Refuses, and makes nothing, where W&B is missing or the directory is somebody's."""
        if config.log.wandb:
            require_package()
        if config.out and not config.resume:
            with self._naming_errors():
                free(self.path)

    def create(
        self, config: Config, command: str, network: Network, phases: Sequence[Phase]
    ) -> None:
        """The directory with its configuration; refuses one that holds another run."""
        if not self._writes:
            return
        if config.log.wandb:
            require_package()
        with self._naming_errors():
            variants = _variants(phases)
            self._writer.claim()
            self._start_wandb(config, variants)  # so that a refusal leaves no run behind
            # Where the directory is it says itself: it may be moved, copied, handed on.
            anywhere = dataclasses.replace(config, out="", resume="")
            self._writer.begin(
                to_yaml(anywhere),
                versions(config, command),
                network,
                _spans(phases),
                variants.values(),
            )

    def reopen(self, config: Config, command: str, phases: Sequence[Phase]) -> None:
        """Takes the directory of an interrupted run, and notes the command that continues it.

        Refuses one that was begun with other phases or variants.
        """
        if not self._writes:
            return
        if config.log.wandb:
            require_package()
        with self._naming_errors():
            variants = _variants(phases)
            self._writer.reopen(f"resumed: {command}", _spans(phases), variants.values())
            self._start_wandb(config, variants)

    @property
    def is_finished(self) -> bool:
        """Whether the run has reached its end: the summary is written last.

        Or somebody has removed it, and nothing else is missing; to begin again would lose all.
        """
        return (self.path / layout.SUMMARY).exists() or self._lacks_its_summary()

    def _lacks_its_summary(self) -> bool:
        if (self.path / layout.CHECKPOINTS).exists():
            return False
        try:
            run = Run(self.path)
            policies = {Path(name).stem for name in run.record.policies}
            return set(run.finished) == set(run.variants) == policies
        except (ValueError, OSError):
            return False

    def finished_already(self) -> str:
        """What is said where a finished run is to be resumed."""
        return f"{self.path} is already finished; nothing to resume"

    def metrics_bytes(self) -> int:
        """The length of metrics.csv, all of it on the disk."""
        if not self._writes:
            return 0
        with self._naming_errors():
            return self._writer.metrics_bytes()

    def cut_back(self, length: int | None) -> None:
        """Shortens metrics.csv, and event files, to a checkpoint's length; None: to the header.

        Raises `CorruptFileError` where it is shorter than that.
        """
        file = self.path / layout.METRICS
        found = file.stat().st_size if file.exists() else 0
        if length is not None and found < length:
            raise CorruptFileError(
                f"{file}: {found} bytes, fewer than the {length} at the checkpoint"
            )
        if not self._writes:
            return
        with self._naming_errors():
            self._writer.shorten_metrics(length)
            metrics = self._metrics()
            write_event_files(metrics, self._writer.variants, self.path / layout.EVENTS)
            timing.write_events(self.path)
            if self._wandb is not None:
                self._wandb.append(metrics)

    def append(self, rows: list[Row]) -> None:
        """Adds rows to metrics.csv, to the event files and, where asked for, to W&B's runs."""
        if not self._writes:
            return
        metrics = table_of(rows)
        with self._naming_errors():
            self._writer.append(rows)
            append_events(metrics, self._writer.variants, self.path / layout.EVENTS, self._metrics)
        if self._wandb is not None:
            self._wandb.append(metrics)

    def note_time(self, phase: Phase, step: int) -> None:
        """Adds a line to timing.csv: this phase has reached `step` now."""
        if not self._writes:
            return
        now, last, rate = time.time(), self._last, math.nan
        if last is not None and last.phase == phase.label and now > last.time:
            rate = (step - last.step) * len(phase.members) / (now - last.time)
        self._last = timing.Moment(now, phase.label, step, rate)
        with self._naming_errors():
            timing.append(self.path, self._last, self._start(now))

    def _start(self, now: float) -> float:
        """When the study was first begun, maybe in another process."""
        if self._began is None:
            known = timing.read(self.path)
            self._began = known[0].time if known else now
        return self._began

    def _metrics(self) -> pd.DataFrame:
        return read_metrics(self.path / layout.METRICS, self._writer.variants)

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of the run, whole or not at all."""
        if not self._writes:
            return
        with self._naming_errors():
            self._writer.write_text(name, text)

    def save_policies(self, variant: str, params: Params, masks: Masks) -> None:
        """The policies of a variant: parameters and masks, stacked over seeds."""
        if not self._writes:
            return
        with self._naming_errors():
            self._writer.save_policies(variant, _named(params), _named(masks))

    def _start_wandb(self, config: Config, variants: Mapping[str, Variant]) -> None:
        if config.log.wandb:
            settings = dataclasses.asdict(config)
            self._wandb = WandbRuns(self.path, config.log.project, settings, variants)
            self._wandb.start(DENSE.name, config.first_seed)

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """What the system refuses, as one line that says where and why."""
        try:
            yield
        except ConfigError:
            raise
        except OSError as error:
            raise ConfigError(f"out: cannot write {self.path}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"out: {error}") from None


def _spans(phases: Sequence[Phase]) -> list[Span]:
    return [Span(p.name, p.begin, p.end, len(p.members), p.method) for p in phases]


def _variants(phases: Sequence[Phase]) -> dict[str, Variant]:
    return {m.variant.name: m.variant for phase in phases for m in phase.members}


def _named(tree: Any) -> dict[str, np.ndarray]:
    """Arrays by their path in the network, such as hidden_0/kernel, without their collection."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {"/".join(str(entry.key) for entry in path[1:]): np.asarray(leaf) for path, leaf in flat}
