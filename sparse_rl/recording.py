"""What a run leaves on disk while it goes on: metrics, policies, versions; each written whole."""

from __future__ import annotations

import csv
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors.numpy import save_file

from sparse_rl.config import Config, ConfigError, to_yaml
from sparse_rl.phases import Member
from sparse_rl.report.run_directory import COLUMNS
from sparse_rl.sparsity.masks import Masks, Params

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
        Row(step, phase, member.seed, *member.arm, name, float(values[i]))
        for name, values in metrics.items()
        for i, member in enumerate(members)
        if not np.isnan(values[i])
    ]


class Recorder:
    """Owns one run directory while it is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, config: Config, command: str) -> None:
        """The directory with its configuration; refuses one that holds another run."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / "metrics.csv").exists():
                raise ConfigError(f"out: {self.path} already holds a run; allowed: a new directory")
            self.write_text("config.yaml", to_yaml(config))
            self.write_text("versions.txt", versions(config, command))
            self.write_text("metrics.csv", ",".join(COLUMNS) + "\n")
        except OSError as error:
            raise ConfigError(f"out: cannot write {self.path}: {error.strerror}") from None

    def append(self, rows: list[Row]) -> None:
        """Adds rows to metrics.csv."""
        with (self.path / "metrics.csv").open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def write_text(self, name: str, text: str) -> None:
        """Writes a file under a temporary name, then renames it."""
        target = self.path / name
        temporary = target.with_name(target.name + ".part")
        temporary.write_text(text)
        os.replace(temporary, target)

    def save_policies(self, arm: str, params: Params, masks: Masks) -> None:
        """policies/<arm>.safetensors: parameters and masks, stacked over seeds."""
        folder = self.path / "policies"
        folder.mkdir(exist_ok=True)
        arrays = {name: np.asarray(leaf) for name, leaf in _named(params)}
        arrays |= {
            name.replace("params/", "masks/", 1): np.asarray(leaf) for name, leaf in _named(masks)
        }
        temporary = folder / f"{arm}.safetensors.part"
        save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, temporary)
        os.replace(temporary, folder / f"{arm}.safetensors")


def _named(tree: Any) -> list[tuple[str, Any]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [("/".join(str(entry.key) for entry in path), leaf) for path, leaf in flat]


def versions(config: Config, command: str) -> str:
    """Everything needed to run the same thing again."""
    devices = jax.devices()
    lines = {
        "command": command,
        "config digest": config.digest(),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "devices": f"{len(devices)} x {devices[0].device_kind}",
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
