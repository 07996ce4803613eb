"""What a run leaves on disk while it goes on: metrics, policies, versions; each written whole."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import jax
import numpy as np
import pandas as pd
from safetensors.numpy import save

from sparse_rl import whole_file
from sparse_rl.checkpoints.tensor_file import Corrupt
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.machine import devices
from sparse_rl.report.event_files import append_events, write_event_files
from sparse_rl.report.run_directory import COLUMNS, EVENTS, arm_name, read_metrics
from sparse_rl.report.wandb_runs import WandbRuns, require_package
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.study.phases import Member

_HEADER = ",".join(COLUMNS) + "\n"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "aqtp", "gymnax", "brax", "mujoco", "numpy")


class Row(NamedTuple):
    """One line of metrics.csv."""

    step: int
    phase: str
    seed: int
    sparsity: float
    quantization: str
    metric: str
    value: float


def rows_of(
    step: int, phase: str, members: Iterable[Member], metrics: dict[str, np.ndarray]
) -> list[Row]:
    """One row per member and metric; values that are not there (nan) are left out."""
    return [
        Row(
            step,
            phase,
            member.seed,
            member.variant.sparsity,
            member.variant.arithmetic,
            name,
            float(values[i]),
        )
        for name, values in metrics.items()
        for i, member in enumerate(members)
        if not np.isnan(values[i])
    ]


class Recorder:
    """Owns one run directory while it is being written.

    Of several processes only the first writes; the others' recorders do nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writes = devices.is_first()
        self._lock: IO[str] | None = None
        self._wandb: WandbRuns | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lets others have the directory."""
        if self._wandb is not None:
            self._wandb.close()
            self._wandb = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def create(self, config: Config, command: str) -> None:
        """The directory with its configuration; refuses one that holds another run."""
        if not self._writes:
            return
        if config.log.wandb:
            require_package()
        with self._naming_errors():
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / "metrics.csv").exists():
                raise ConfigError(
                    f"out: {self.path} already holds a run; allowed: a new directory, or "
                    f"--resume {self.path}"
                )
            self._take()
            self._start_wandb(config)
            self.write_text("config.yaml", to_yaml(config))
            self.write_text("versions.txt", versions(config, command))
            self.write_text("metrics.csv", _HEADER)

    def reopen(self, config: Config, command: str) -> None:
        """Takes the directory of an interrupted run, and notes with what it goes on."""
        if not self._writes:
            return
        if config.log.wandb:
            require_package()
        with self._naming_errors():
            self._take()
            self._start_wandb(config)
            file = self.path / "versions.txt"
            before = file.read_text() if file.exists() else ""
            self.write_text("versions.txt", f"{before}resumed: {command}\n")

    @property
    def is_finished(self) -> bool:
        """Whether the run has reached its end: the summary is written last."""
        return (self.path / "summary.md").exists()

    def metrics_bytes(self) -> int:
        """The length of metrics.csv, all of it on the disk."""
        if not self._writes:
            return 0
        with self._naming_errors(), (self.path / "metrics.csv").open("r+b") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)

    def cut_back(self, length: int | None) -> None:
        """Shortens metrics.csv, and event files, to a checkpoint's length; None: to the header.

        Raises `Corrupt` where it is shorter than that.
        """
        file = self.path / "metrics.csv"
        found = file.stat().st_size if file.exists() else 0
        if length is not None and found < length:
            raise Corrupt(f"{file}: {found} bytes, fewer than the {length} at the checkpoint")
        if not self._writes:
            return
        with self._naming_errors():
            if length is None:
                self.write_text("metrics.csv", _HEADER)
            else:
                os.truncate(file, length)
            # Event files may end within a record that nobody could read past.
            shutil.rmtree(self.path / EVENTS, ignore_errors=True)
            metrics = read_metrics(file)
            write_event_files(metrics, self.path / EVENTS)
            if self._wandb is not None:
                self._wandb.append(metrics)

    def append(self, rows: list[Row]) -> None:
        """Adds rows to metrics.csv, to the event files and, where asked for, to W&B's runs."""
        if not self._writes:
            return
        with self._naming_errors():
            with (self.path / "metrics.csv").open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
            metrics = pd.DataFrame(rows, columns=COLUMNS)
            append_events(metrics, self.path / EVENTS)
        if self._wandb is not None:
            self._wandb.append(metrics)

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of the run, whole or not at all."""
        if not self._writes:
            return
        with self._naming_errors():
            whole_file.write_text(self.path / name, text)

    def save_policies(self, arm: str, params: Params, masks: Masks) -> None:
        """policies/<arm>.safetensors: parameters and masks, stacked over seeds."""
        if not self._writes:
            return
        folder = self.path / "policies"
        arrays = {name: np.asarray(leaf) for name, leaf in _named(params)}
        arrays |= {
            name.replace("params/", "masks/", 1): np.asarray(leaf) for name, leaf in _named(masks)
        }
        with self._naming_errors():
            folder.mkdir(exist_ok=True)
            # Made in memory: the library's own writer raises errors that name no file.
            content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
            whole_file.write_bytes(folder / f"{arm}.safetensors", content)

    def _start_wandb(self, config: Config) -> None:
        if config.log.wandb:
            self._wandb = WandbRuns(self.path, config.log.project, dataclasses.asdict(config))
            self._wandb.start(arm_name(0.0, "float32"), config.first_seed)

    def _take(self) -> None:
        """Only one process may write here; the system forgets the lock when it ends, however."""
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"out: another process is writing {self.path}; allowed: one"
            ) from None

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """What the system refuses, as one line that says where and why."""
        try:
            yield
        except OSError as error:
            raise ConfigError(f"out: cannot write {self.path}: {error.strerror}") from None


def _named(tree: Any) -> list[tuple[str, Any]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [("/".join(str(entry.key) for entry in path), leaf) for path, leaf in flat]


def versions(config: Config, command: str) -> str:
    """Everything needed to run the same thing again."""
    present = jax.devices()
    lines = {
        "command": command,
        "config digest": config.digest(),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "devices": f"{len(present)} x {present[0].device_kind}",
    } | {name: importlib.metadata.version(name) for name in PACKAGES}
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def _commit() -> str:
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def command_line() -> str:
    """The command that this process was started with."""
    program = sys.orig_argv[1:] if len(sys.orig_argv) > 1 else sys.argv
    return " ".join(["python", *program])
