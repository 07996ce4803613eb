"""Reading a run directory: config.yaml, metrics.csv, versions.txt, policies/ and artifacts/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import load_file

COLUMNS = ("step", "phase", "seed", "sparsity", "quantization", "metric", "value")
PHASES = ("prefill", "dense", "prune", "finetune", "quantize", "final")
QUANTIZATIONS = ("float32", "int8w", "int8")
ARM = ["sparsity", "quantization"]
EVENTS = "tensorboard"
"""The folder of a run directory that `tensorboard --logdir` reads."""


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        path: the directory.
        config: the resolved configuration, as nested dictionaries.
        metrics: metrics.csv, one row per member, step and metric (columns: `COLUMNS`).
    """

    path: Path
    config: Mapping[str, Any]
    metrics: pd.DataFrame

    @property
    def name(self) -> str:
        """The directory's own name, by which pages and legends speak of the run."""
        return self.path.resolve().name


def arm_name(sparsity: float, quantization: str) -> str:
    """Name of an arm: "0.9" for float32, "0.9-int8" and "0.9-int8w" for the quantised ones."""
    suffix = "" if quantization == "float32" else f"-{quantization}"
    return f"{sparsity:g}{suffix}"


def by_member(metrics: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """The rows of each member, with the name of its arm and its seed, sorted by arm and seed."""
    for (sparsity, quantization, seed), rows in metrics.groupby(
        ["sparsity", "quantization", "seed"], sort=True
    ):
        yield arm_name(float(str(sparsity)), str(quantization)), int(str(seed)), rows


def read_run(path: str | Path) -> Run:
    """Read a run directory.

    Raises:
        ValueError: a file is missing or malformed; one line that names it.
    """
    directory = Path(path)
    if not directory.is_dir():
        raise ValueError(f"{directory}: not a directory; give a run directory with metrics.csv")
    return Run(directory, read_config(directory), read_metrics(directory / "metrics.csv"))


def read_config(directory: Path) -> dict[str, Any]:
    """config.yaml of a run directory, as nested dictionaries."""
    file = _existing(directory / "config.yaml")
    try:
        config = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{file}: must be a mapping, found {type(config).__name__}")
    return config


def read_metrics(file: Path) -> pd.DataFrame:
    """metrics.csv as a table with the columns `COLUMNS`.

    Where a resumed run has written a row twice (all but the value the same) the later one counts.
    """
    _existing(file)
    try:
        table = pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not CSV: {' '.join(str(error).split())}") from None
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(
            f"{file}: column {missing[0]!r} is missing; needed are {', '.join(COLUMNS)}"
        )
    table = table[list(COLUMNS)]
    for column in ("step", "seed", "sparsity", "value"):
        table[column] = _numbers(table[column], column, file)
    for column in ("step", "seed", "sparsity"):
        if table[column].isna().any():
            row = int(np.flatnonzero(table[column].isna())[0]) + 2
            raise ValueError(f"{file}: line {row}: {column} is empty")
    for column, allowed in (("phase", PHASES), ("quantization", QUANTIZATIONS)):
        unknown = sorted(set(table[column].astype(str)) - set(allowed))
        if unknown:
            raise ValueError(
                f"{file}: {column} {unknown[0]!r} is unknown; allowed are {', '.join(allowed)}"
            )
    table = table.astype({"step": "int64", "seed": "int64", "sparsity": "float64"})
    keys = [column for column in COLUMNS if column != "value"]
    return table.drop_duplicates(keys, keep="last").reset_index(drop=True)


def read_versions(run: Run) -> str:
    """versions.txt, or the empty string where the run has none."""
    file = run.path / "versions.txt"
    return file.read_text() if file.is_file() else ""


def read_policy(run: Run, arm: str) -> dict[str, np.ndarray]:
    """policies/<arm>.safetensors: arrays stacked over seeds; empty where the arm has no file."""
    file = run.path / "policies" / f"{arm}.safetensors"
    if not file.is_file():
        return {}
    try:
        return load_file(file)
    except Exception as error:  # safetensors raises its own class, which is not exported
        raise ValueError(f"{file}: not a safetensors file: {error}") from None


def read_cost(run: Run, arm: str) -> dict[str, Any]:
    """artifacts/<arm>/cost.json, the measured cost of an exported actor; empty without one."""
    file = run.path / "artifacts" / arm / "cost.json"
    if not file.is_file():
        return {}
    try:
        cost = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not JSON: {error}") from None
    if not isinstance(cost, dict):
        raise ValueError(f"{file}: must be an object, found {type(cost).__name__}")
    return cost


def arms_of(metrics: pd.DataFrame) -> list[tuple[float, str]]:
    """All (sparsity, quantization) in the metrics; by quantization as listed, then by sparsity."""
    found = metrics[ARM].drop_duplicates().itertuples(index=False)
    arms = [(float(sparsity), str(quantization)) for sparsity, quantization in found]
    return sorted(arms, key=lambda arm: (QUANTIZATIONS.index(arm[1]), arm[0]))


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise ValueError(f"{file}: missing; a run directory has config.yaml and metrics.csv")
    return file


def _numbers(column: pd.Series, name: str, file: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{file}: line {row + 2}: {name} {column.iloc[row]!r} is not a number")
    return numbers
