"""config.yaml as nested dictionaries: what a report shows needs no checking of the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparse_rl.config.error import show
from sparse_rl.config.text import read_file
from sparse_rl.runs.layout import CONFIG


def read_settings(run: Path) -> dict[str, Any]:
    """config.yaml of a run directory. Raises ValueError, one line that names the file."""
    file = run / CONFIG
    if not file.exists():
        raise ValueError(f"{file}: missing; a run directory has config.yaml and metrics.csv")
    if not (found := read_file(file)):
        raise ValueError(f"{file}: found nothing; allowed: keys and values")
    return found


def setting(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key of the config. Raises a ValueError that names a missing key."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ValueError(f"config.yaml: {key} is missing")
        value = value[part]
    return value


def text(config: Mapping[str, Any], key: str) -> str:
    """What stands at a dotted key, as words; lists joined by hyphens, "" where there is nothing."""
    try:
        value = setting(config, key)
    except ValueError:
        return ""
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def number(config: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """The number at a dotted key, or `default` where the key is missing.

    Raises a ValueError that names the key where it is missing without default, or something else.
    """
    try:
        value = setting(config, key)
    except ValueError:
        if default is None:
            raise
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"config.yaml: {key}: found {show(value)}; allowed: a number")
    return value


def values(config: Mapping[str, Any], key: str) -> list[Any]:
    """The list at a dotted key. Raises a ValueError that names it where it is something else."""
    value = setting(config, key)
    if not isinstance(value, list | tuple):
        raise ValueError(f"config.yaml: {key}: found {show(value)}; allowed: a list")
    return list(value)
