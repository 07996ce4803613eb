"""From names, mappings and YAML text to a checked `Config`; every error is one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sparse_rl.config import options
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.text import find, read_file, read_mapping
from sparse_rl.config.validation_line import one_line

_checked = TypeAdapter(Config)


def from_mapping(values: Mapping[str, Any]) -> Config:
    """A checked `Config` from nested mappings. Raises `ConfigError`, one line."""
    try:
        return _checked.validate_python(dict(values))
    except ValidationError as error:
        raise ConfigError(one_line(error, options.sections(Config()))) from None


def load_config(name: str, **overrides: Any) -> Config:
    """The experiment `name` (a YAML file, or one of configs/) with some values replaced.

        load_config("sac_pendulum", seeds=3, sparsity={"levels": [0, 0.9]})

    A mapping replaces single keys of a part. Raises `ConfigError`, one line.
    """
    values = read_file(find(name))
    for key, value in overrides.items():
        part = values.get(key)
        both = isinstance(part, Mapping) and isinstance(value, Mapping)
        values[key] = {**part, **value} if both else value  # type: ignore[dict-item]
    return from_mapping(values)


def from_yaml(text: str) -> Config:
    """A checked `Config` from YAML text. Raises `ConfigError`, one line."""
    return from_mapping(read_mapping(text))
