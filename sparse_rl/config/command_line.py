"""From a command line to a checked configuration: a YAML file, overridden by dotted names.

    configs/sac_pendulum.yaml --seeds 3 --sparsity.levels 0 0.9 --agent.double

A name takes the words that follow it up to the next name: none for a switch, several for a list.
File and options are merged before they are checked, so both give the same one-line errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sparse_rl import registry
from sparse_rl.config import options, text
from sparse_rl.config.error import ConfigError, show
from sparse_rl.config.experiment import Config
from sparse_rl.config.help_screen import help_screen
from sparse_rl.config.reading import from_mapping

DEFAULT = "sac_pendulum"

Given = tuple[str, list[str]]
"""An option's dotted name and the words that follow it."""


def parse(arguments: Sequence[str]) -> Config:
    """The configuration that `arguments` ask for. Raises `ConfigError`, one line."""
    words = list(arguments)
    name = None if not words or _is_option(words[0]) else words.pop(0)
    given = _options(words)
    resumed = [" ".join(part) for key, part in given if key == "resume"]
    if not any(resumed):
        values = text.read_file(text.find(DEFAULT if name is None else name))
    else:
        _refuse_changes(name, given)
        values = text.read_file(_run_directory(resumed[-1]) / "config.yaml")
        values["out"] = resumed[-1]
        values.pop("distributed", None)  # its processes are gone
    known = _known_options(values, given)
    for key, part in given:
        if key != "import":
            _put(values, key, _value(key, part, known.get(key)))
    return from_mapping(values)


def _known_options(values: dict[str, Any], given: list[Given]) -> dict[str, options.Option]:
    """All options by name, with those of the packages that are to be imported.

    `--import NAME` adds to what `values` import.
    """
    more = [name for key, part in given if key in ("import", "imports") for name in _words(part)]
    if any(key == "import" and not part for key, part in given):
        raise ConfigError("import: found no value; allowed: the name of a package")
    imports = values.get("imports") or []
    if isinstance(imports, list) and all(isinstance(name, str) for name in imports):
        try:
            registry.load([*imports, *more])
        except ValueError as error:
            raise ConfigError(str(error)) from None
        added = [name for key, part in given if key == "import" for name in _words(part)]
        if added:
            values["imports"] = list(dict.fromkeys([*imports, *added]))
    sections = options.sections(Config)
    return {option.name: option for section in sections for option in section.options}


def _refuse_changes(name: str | None, given: list[Given]) -> None:
    """A run goes on as what it was: beside --resume only what changes no result may be said."""
    free = ("resume", "devices", "compilation_cache", "checkpoint", "log", "distributed")
    for key in [*([] if name is None else [name]), *(key for key, _ in given)]:
        if key.partition(".")[0] not in free:
            raise ConfigError(
                f"{key}: found beside --resume; allowed: {', '.join(free[1:])}, which change no "
                f"result; all else is in the run's config.yaml"
            )


def _run_directory(name: object) -> Path:
    path = Path(name if isinstance(name, str) else "")
    try:
        found = isinstance(name, str) and (path / "config.yaml").is_file()
    except (OSError, ValueError):  # a name that no path can have
        found = False
    if not found:
        raise ConfigError(f"resume: {show(name)} has no config.yaml; allowed: a run directory")
    return path


def _is_option(word: str) -> bool:
    """Whether a word names an option; -3 and -1e-3 are values."""
    try:
        float(word)
    except ValueError:
        return word[:1] in _DASHES
    return False


_DASHES = ("-", "\N{EN DASH}", "\N{EM DASH}", "\N{MINUS SIGN}")  # what a copied text may hold


def _options(words: list[str]) -> list[Given]:
    given: list[Given] = []
    for word in words:
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            if not key:
                raise ConfigError(f"{word}: found no name after the dashes; allowed: --NAME VALUE")
            given.append((key.replace("-", "_"), [value] if equals else []))
        elif _is_option(word):
            raise ConfigError(f"{word}: options begin with two dashes; allowed: --NAME VALUE")
        elif given:
            given[-1][1].append(word)
        else:
            raise ConfigError(f"{word}: a second file; allowed: one, then --NAME VALUE ...")
    return given


def _value(key: str, given: list[str], option: options.Option | None) -> object:
    """The words of one option as the value that is to be checked."""
    if option is not None and option.takes == "several values":
        return _words(given)
    if option is not None and option.takes == "one value" and not given:
        raise ConfigError(f"{key}: found no value; allowed: {option.allowed}")
    if option is not None and len(given) > 1:
        raise ConfigError(f"{key}: found {len(given)} values, {show(given)}; allowed: one")
    return " ".join(given) if given else True


def _words(given: list[str]) -> list[str]:
    """The parts of a list: several words, or one with commas."""
    return [part for word in given for part in word.replace(",", " ").split()]


def _put(values: dict[str, Any], key: str, value: object) -> None:
    """Writes one value into nested mappings; its type is checked with everything else."""
    *path, last = key.split(".")
    for depth, name in enumerate(path, 1):
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{key}: found {show(inner)} as the value of {'.'.join(path[:depth])}; "
                f"allowed: its own keys and values"
            )
        values = inner
    values[last] = value


def show_help(arguments: Sequence[str] = ()) -> NoReturn:
    """Every option with its type, default and one line of help; then exit status 0.

    The defaults are those of the configuration that `arguments` name, if it can be read.
    """
    name = next((word for word in arguments[:1] if not _is_option(word)), DEFAULT)
    imported = [
        word
        for key, part in _options(list(arguments[name != DEFAULT :]))
        if key == "import"
        for word in ("--import", *part)
    ]
    try:
        default = parse([name, *imported])
    except ConfigError:
        name = DEFAULT
        default = parse([name])
    print(help_screen(default, name, bold=sys.stdout.isatty()))
    raise SystemExit(0)


def run(command: Callable[[Config], None], arguments: Sequence[str] | None = None) -> None:
    """Parses, runs `command`, and turns what a user can mend into one line and exit status 2."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if "--help" in words or "-h" in words:
        show_help(words)
    try:
        command(parse(words))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
