"""config.yaml as nested dictionaries: what a report shows needs no checking of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sparse_rl.runs.layout import CONFIG


def read_settings(run: Path) -> dict[str, Any]:
    """config.yaml of a run directory. Raises ValueError, one line that names the file."""
    file = run / CONFIG
    try:
        values = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        raise ValueError(
            f"{file}: missing; a run directory has config.yaml and metrics.csv"
        ) from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file}: must be a mapping, found {type(values).__name__}")
    return values


def setting(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key of the config. Raises a ValueError that names a missing key."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ValueError(f"config.yaml: {key} is missing")
        value = value[part]
    return value
