"""From a command line to a checked configuration: a YAML file, overridden by dotted names.

    configs/sac_pendulum.yaml --seeds 3 --sparsity.levels 0 0.9 --agent.double

File and options are merged before they are checked, so both give the same one-line errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from sparse_rl import registry
from sparse_rl.config import options, words
from sparse_rl.config.ending import ending
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.help_screen import help_screen, width_of_terminal
from sparse_rl.config.reading import (
    as_named,
    continued_values,
    from_mapping,
    named_values,
    put,
)
from sparse_rl.config.words import Given

DEFAULT = "sac_pendulum"
DRY = ("--dry-run", "--dry_run")


def parse(arguments: Sequence[str]) -> Config:
    """The configuration that `arguments` ask for. Raises `ConfigError`, one line."""
    name, given = _split(arguments)
    resumed = [" ".join(part) for key, part in given if key == "resume"]
    if resumed and not resumed[-1].strip():
        raise ConfigError("resume: found no value; allowed: the directory of a run")
    if resumed:
        _refuse_changes(name, given)
        values = continued_values(resumed[-1])
    else:
        name = DEFAULT if name is None else name
        values = named_values(name)
    known = _known_options(values, given)
    for key, part in given:
        if key != "import":
            put(values, key, words.value(key, part, known.get(key)))
    return from_mapping(values) if name is None else as_named(name, values)


def _split(arguments: Sequence[str]) -> tuple[str | None, list[Given]]:
    """The name of the configuration, if there is one, and the options."""
    names, given = words.split(arguments)
    if len(names) > 1:
        raise ConfigError(f"{names[1]}: a second file; allowed: one, then --NAME VALUE ...")
    return (names[0] if names else None), given


def _known_options(values: dict[str, Any], given: list[Given]) -> dict[str, options.Option]:
    """All options by name, with those of the packages that are to be imported.

    `--import NAME` adds to what `values` import.
    """
    added = [name for key, part in given if key == "import" for name in words.packages(part)]
    instead = [name for key, part in given if key == "imports" for name in words.items(part)]
    imports = values.get("imports") or []
    if isinstance(imports, list) and all(isinstance(name, str) for name in imports):
        try:
            registry.load([*imports, *instead, *added])
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if added:
            values["imports"] = list(dict.fromkeys([*imports, *added]))
    return {option.name: option for part in options.sections(Config) for option in part.options}


def _refuse_changes(name: str | None, given: list[Given]) -> None:
    """A run resumes as what it was: beside --resume only what changes no result may be given."""
    free = ("resume", "devices", "compilation_cache", "checkpoint", "log", "watch", "distributed")
    for key in [*([] if name is None else [name]), *(key for key, _ in given)]:
        if key.partition(".")[0] not in free:
            raise ConfigError(
                f"{key}: cannot be changed by --resume; allowed: {', '.join(free[1:])}, which "
                f"change no result; all else is in the run's config.yaml"
            )


def show_help(arguments: Sequence[str] = ()) -> NoReturn:
    """Every option with its type, default and one line of help; then exit status 0.

    The defaults are those of the configuration that `arguments` name, if it can be read.
    """
    try:
        name, given = _split([word for word in arguments if word not in ("--help", "-h")])
        added = [package for key, part in given if key == "import" for package in part]
        name = DEFAULT if name is None else name
        default = parse([name, *(f"--import={package}" for package in added)])
    except ConfigError:
        name, default = DEFAULT, parse([DEFAULT])
    print(help_screen(default, name, width_of_terminal(), bold=sys.stdout.isatty()))
    raise SystemExit(0)


def run(
    command: Callable[[Config], None],
    arguments: Sequence[str] | None = None,
    dry: Callable[[Config], None] | None = None,
) -> None:
    """Parses and runs `command`; what a user can mend becomes one line and exit status 2.

    With the word --dry-run it is `dry` that is run.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if "--help" in given or "-h" in given:
        ending(lambda: show_help(given))
    if dry is not None and any(word in given for word in DRY):
        command, given = dry, [word for word in given if word not in DRY]
    ending(lambda: command(parse(given)))
