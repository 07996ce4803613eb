"""From the name of an experiment to its YAML file, and from YAML text to plain nested mappings."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from sparse_rl.config.error import ConfigError, show

_INSTALLED = Path(__file__).parents[1] / "experiments"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs"
"""The experiments by name: beside the package where it is installed, else in its checkout."""


def find(name: str) -> Path:
    """The YAML file that `name` means: a path, or the name of a file in configs/.

    Raises `ConfigError`, one line, where there is none.
    """
    shown = name if name else "''"
    try:
        for path in (Path(name), FOLDER / name, FOLDER / f"{name}.yaml"):
            if path.is_file():
                return path
        if name and Path(name).is_dir():
            raise ConfigError(f"{shown}: is a directory; allowed: a YAML file, or that of a run")
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{shown[:80]}: cannot be read: {reason}") from None
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    near = difflib.get_close_matches(Path(name).stem[:80], known, n=3, cutoff=0.4)
    others = f"near: {', '.join(near)}" if near else f"allowed: a YAML file or {', '.join(known)}"
    raise ConfigError(f"{shown}: no such file, and no experiment of that name; {others}")


def read_file(path: Path) -> dict[str, Any]:
    """A YAML file as nested mappings, not yet checked. Raises `ConfigError`, one line."""
    try:
        return read_mapping(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def read_mapping(text: str, source: str = "configuration") -> dict[str, Any]:
    """YAML text as nested mappings, not yet checked. Raises `ConfigError`, one line."""
    try:
        values = yaml.load(text, _UniqueKeys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise ConfigError(f"{source}{where}: {problem}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply") from None
    except (ValueError, TypeError, ArithmeticError, AttributeError, LookupError) as error:
        # What PyYAML lets through for a date such as 2020-99-99 or a tag such as !!int x.
        raise ConfigError(f"{source}: not YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: found {show(values)}; allowed: keys and values")
    return values


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which YAML would keep the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} stands here a second time", key.start_mark
                )
            seen.add(key.value)
        return node
