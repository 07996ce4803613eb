"""From a command line to a checked configuration: a YAML file, overridden by dotted names.

    configs/sac_pendulum.yaml --seeds 3 --sparsity.levels 0 0.9 --agent.double

A name takes the words that follow it up to the next name: none for a switch, several for a list.
File and options are merged before they are checked, so both give the same one-line errors.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import tyro

from sparse_rl import config as configuration
from sparse_rl.config import Config, ConfigError

DEFAULT = "sac_pendulum"
USAGE = "python -m sparse_rl.train [CONFIG] [--NAME VALUE ...]"


def parse(arguments: Sequence[str]) -> Config:
    """The configuration that `arguments` ask for. Raises `ConfigError`, one line."""
    words = list(arguments)
    name = words.pop(0) if words and not words[0].startswith("--") else DEFAULT
    path = configuration.find(name)
    try:
        values = configuration.read_mapping(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    for key, given in _options(words):
        _put(values, key, given)
    return configuration.from_mapping(values)


def _options(words: list[str]) -> list[tuple[str, list[str]]]:
    options: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            options.append((key.replace("-", "_"), [value] if equals else []))
        elif options:
            options[-1][1].append(word)
        else:
            raise ConfigError(f"{word}: a second file; allowed: one, then --NAME VALUE ...")
    return options


def _put(values: dict[str, Any], key: str, given: list[str]) -> None:
    """Writes one option into nested mappings; its type is checked with everything else."""
    *path, last = key.split(".")
    for name in path:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = values[name] = {}
        values = inner
    is_list = key in _list_keys()
    values[last] = given if is_list else " ".join(given) if given else True


def _list_keys() -> set[str]:
    """Dotted names of the fields that take several values."""
    found = set()
    for part in dataclasses.fields(Config):
        if isinstance(part.default_factory, type) and dataclasses.is_dataclass(
            part.default_factory
        ):
            found |= {
                f"{part.name}.{field.name}"
                for field in dataclasses.fields(part.default_factory)
                if str(field.type).startswith(("tuple", "Annotated[tuple"))
            }
    return found


def show_help() -> NoReturn:
    """Every option with its type, default and one line of help; then exit status 0."""
    print(f"usage: {USAGE}\n\nCONFIG is a YAML file or the name of one in configs/:")
    folder = Path(configuration.__file__).parent.parent / "configs"
    for path in sorted(folder.glob("*.yaml")):
        first = path.read_text().partition("\n")[0].lstrip("# ").rstrip(".")
        print(f"  {path.stem:<28} {first}")
    print(f"Without CONFIG: {DEFAULT}. Its values can be overridden by name:\n")
    default = configuration.from_yaml(configuration.find(DEFAULT).read_text())
    tyro.cli(
        tyro.conf.AvoidSubcommands[Config], default=default, args=["--help"], prog=USAGE.split(" [")[0]
    )
    raise SystemExit(0)


def run(command: Callable[[Config], None], arguments: Sequence[str] | None = None) -> None:
    """Parses, runs `command`, and turns what a user can mend into one line and exit status 2."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if "--help" in words or "-h" in words:
        show_help()
    try:
        command(parse(words))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
