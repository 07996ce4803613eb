"""From names, mappings and YAML text to a checked `Config`; every error is one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sparse_rl.config import options, starting
from sparse_rl.config.error import ConfigError, show
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
        load_config("sac_pendulum", **{"agent.learning_rate": 1e-3})

    A mapping replaces single keys of a part, a dotted name one of them. `name` may also be the
    directory of a run that has kept its dense members: these go on. Raises `ConfigError`, one line.
    """
    values = named_values(name)
    for key, value in overrides.items():
        put(values, key, value)
    return as_named(name, values)


def named_values(name: str) -> dict[str, Any]:
    """The values of an experiment, a YAML file or a run whose dense members go on, unchecked."""
    if not starting.is_run(name):
        return read_file(find(name))
    values = _of_a_run(Path(name))
    return starting.values_of(name, values, from_mapping(values))


def as_named(name: str, values: Mapping[str, Any]) -> Config:
    """The checked `Config` of such values, after some were replaced. Raises `ConfigError`."""
    if not starting.is_run(name):
        return from_mapping(values)
    before = read_file(Path(name) / starting.FILE)
    config = from_mapping(starting.without_others_options(values, before))
    starting.require_the_same(config, from_mapping(before))
    return config


def continued(run: str) -> Config:
    """The configuration of a run that was stopped, to go on with. Raises `ConfigError`."""
    return from_mapping(continued_values(run))


def continued_values(run: object) -> dict[str, Any]:
    """The same as mappings that are not yet checked; `run` is what was given as its directory."""
    path = Path(run if isinstance(run, str) else "")
    try:
        found = isinstance(run, str) and (path / starting.FILE).is_file()
    except (OSError, ValueError):  # a name that no path can have
        found = False
    if not found:
        raise ConfigError(f"resume: {show(run)} has no config.yaml; allowed: a run directory")
    values = _of_a_run(path)
    values |= {"out": str(run), "resume": str(run)}
    values.pop("distributed", None)  # its processes are gone
    return values


def _of_a_run(path: Path) -> dict[str, Any]:
    """What a run was asked for. An emptied file is refused, and no study of defaults begins."""
    values = read_file(path / starting.FILE)
    if not values:
        raise ConfigError(f"{path / starting.FILE}: found nothing; allowed: keys and values")
    return values


def put(values: dict[str, Any], key: str, value: object) -> None:
    """Writes one value into nested mappings, by its dotted name; it is checked with all others.

    A mapping replaces single keys. Raises `ConfigError` where something else is in the way.
    """
    *path, last = key.split(".")
    for depth, name in enumerate(path, 1):
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{key}: found {show(inner)} as the value of {'.'.join(path[:depth])}; "
                f"allowed: its own keys and values"
            )
        values = inner
    part = values.get(last)
    both = isinstance(part, Mapping) and isinstance(value, Mapping)
    values[last] = {**part, **value} if both else value  # type: ignore[dict-item]


def from_yaml(text: str) -> Config:
    """A checked `Config` from YAML text. Raises `ConfigError`, one line."""
    return from_mapping(read_mapping(text))
