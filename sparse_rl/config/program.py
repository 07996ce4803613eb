"""A command made of a function: its parameters are the options, its docstring says what they mean.

    def main(run: Annotated[Path, POSITIONAL], seed: str = "best") -> None:
        \"\"\"Export one policy.

        Args:
            run: a run directory.
            seed: a seed's number, or "best".
        \"\"\"

What a command's words mean is said by its `screen`; how it ends, by `ending`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from sparse_rl.config import options, words
from sparse_rl.config.ending import ending
from sparse_rl.config.error import ConfigError
from sparse_rl.config.fields import section
from sparse_rl.config.help_screen import program_screen, width_of_terminal
from sparse_rl.config.options import Option
from sparse_rl.config.validation_line import one_line

POSITIONAL = "positional"
"""The annotation of the parameter that is given by the words before the first option."""


def call(function: Callable[..., Any], arguments: Sequence[str]) -> Any:
    """Calls `function` with what `arguments` say. Raises `ConfigError`, one line."""
    return function(**parse(function, arguments))


def parse(function: Callable[..., Any], arguments: Sequence[str]) -> dict[str, Any]:
    """The arguments of `function`, of the types that it names. Raises `ConfigError`, one line."""
    kind = _section_of(function)
    known = {option.name: option for option in _options(kind)}
    positional = _positional(function)
    first, given = words.split(arguments)
    values: dict[str, Any] = {}
    if positional:
        values[positional] = _first(positional, first, known[positional])
    elif first:
        raise ConfigError(f"{first[0]}: found a word; allowed: --NAME VALUE")
    for key, part in given:
        if key == positional:
            raise ConfigError(f"{key}: found as an option; allowed: {_shown(key)} first, unnamed")
        if key == "import" and "imports" in known:
            values["imports"] = [*values.get("imports", ()), *words.packages(part)]
        else:
            values[key] = words.value(key, part, known.get(key))
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING
        if required and values.get(field.name) in (None, []):
            name = _shown(field.name) if field.name == positional else field.name
            raise ConfigError(f"{name}: none given; allowed: {known[field.name].help}")
    try:
        checked: Any = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise ConfigError(one_line(error, options.sections(kind))) from None
    return {field.name: getattr(checked, field.name) for field in dataclasses.fields(kind)}


def run(
    function: Callable[..., Any],
    name: str,
    arguments: Sequence[str] | None = None,
    interrupted: str = "interrupted",
) -> None:
    """Runs `function` as the command `name`; `ending` says how it ends."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if "--help" in given or "-h" in given:
        ending(lambda: print(screen(function, name)))
        raise SystemExit(0)
    ending(lambda: call(function, given), interrupted)


def screen(function: Callable[..., Any], name: str) -> str:
    """Every option with its type, default and one line of help."""
    positional = _positional(function)
    kind = _section_of(function)
    found = {option.name: option for option in _options(kind)}
    head = f"usage: python -m sparse_rl.{name}"
    if positional:
        several = found[positional].takes == "several values"
        head += f" {_shown(positional)}" + f" [{_shown(positional)} ...]" * several
    about, _, _ = inspect.getdoc(function).partition("\n\n")  # type: ignore[union-attr]
    required = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    return program_screen(
        f"{head} [--NAME VALUE ...]",
        about,
        [found[positional]._replace(name=_shown(positional))] if positional else [],
        [option for option in found.values() if option.name != positional],
        required,
        width_of_terminal(),
        bold=sys.stdout.isatty(),
    )


def _first(name: str, given: list[str], option: Option) -> object:
    if option.takes == "several values":
        return given
    if len(given) > 1:
        raise ConfigError(f"{given[1]}: a second {_shown(name)}; allowed: one, then --NAME VALUE")
    return given[0] if given else None


def _options(kind: type) -> tuple[Option, ...]:
    (only,) = options.sections(kind)
    return only.options


def _positional(function: Callable[..., Any]) -> str:
    """The name of the parameter that needs no name; empty where there is none."""
    hints = typing.get_type_hints(function, include_extras=True)
    notes = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return next((name for name in notes if POSITIONAL in notes[name]), "")


def _shown(name: str) -> str:
    """How a parameter without a name is spoken of: RUN for run and for runs."""
    return name.upper().removesuffix("S")


def _section_of(function: Callable[..., Any]) -> type:
    """The parameters as a section, with the docstring's words on each."""
    hints = typing.get_type_hints(function, include_extras=True)
    helps = _helps(function)
    fields: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        hint: Any = Annotated[hints[name], Field(description=helps.get(name, ""))]  # type: ignore[valid-type]
        if parameter.default is inspect.Parameter.empty:
            fields.append((name, hint))
        else:
            fields.append((name, hint, dataclasses.field(default=parameter.default)))
    made = dataclasses.make_dataclass(function.__name__, fields, frozen=True)
    made.__doc__ = inspect.getdoc(function)
    return section(made)


def _helps(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring's part "Args:" says of each parameter."""
    _, _, part = (inspect.getdoc(function) or "").partition("Args:\n")
    part = re.split(r"\n(?=\S)", part)[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", part, re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".") for name, text in found}
