"""Every option that a tree of dataclasses has: its dotted name, what it allows, default and help.

The help screen, the command line and the errors all read this, so that they agree.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MinLen

from sparse_rl import registry
from sparse_rl.config.registered import EachOf, NameIn, OneOf

LARGEST = 2**31 - 1
"""The largest whole number that the programs count to; not worth a word in a help screen."""


class Option(NamedTuple):
    """One value that a user may give."""

    name: str
    allowed: str
    default: Any
    help: str
    takes: Literal["one value", "several values", "true or false"]


class Section(NamedTuple):
    """The options of one dataclass. `choices` are the names by which it is chosen, if it is."""

    name: str
    choices: tuple[str, ...]
    help: str
    options: tuple[Option, ...]


def sections(default: Any) -> tuple[Section, ...]:
    """All sections of a dataclass, or of an instance whose values are shown as the defaults.

    Where a registered name chooses a section there is one for each class that is registered, and
    one for each registered method that has options.
    """
    registry.load()
    return _known_sections(default, tuple(table.names() for table in registry.ALL))


@functools.lru_cache(maxsize=16)
def _known_sections(default: Any, registered: object) -> tuple[Section, ...]:
    """Kept for as long as nothing more is registered."""
    return tuple(_sections(default, "", ()))


def _sections(default: Any, prefix: str, choices: tuple[str, ...]) -> Iterator[Section]:
    hints = _hints(default if isinstance(default, type) else type(default))
    own, inner = [], []
    for name, hint in hints.items():
        kind, notes = _peel(hint)
        part, below = _default(default, name), f"{prefix}{name}."
        choice = next((note for note in notes if isinstance(note, OneOf | EachOf)), None)
        if isinstance(choice, OneOf):
            inner.append(_chosen(choice, part, below))
        elif isinstance(choice, EachOf):
            inner.append(_methods(choice, part, prefix))
        elif dataclasses.is_dataclass(kind):
            inner.append(_sections(kind if part is None else part, below, ()))
        else:
            own.append(_option(f"{prefix}{name}", hint, part, _help(default, name)))
    yield Section(prefix.rstrip("."), choices, _first_line(default), tuple(own))
    for found in inner:
        yield from found


def _chosen(choice: OneOf, given: Any, prefix: str) -> Iterator[Section]:
    """A section for each class; several names may share one."""
    names: dict[Any, list[str]] = {}
    for name in choice.table.names():
        names.setdefault(choice.table.options(name), []).append(name)
    for kind, those in names.items():
        part = given if type(given) is kind else kind(**{choice.key: those[0]})
        for section in _sections(part, prefix, tuple(those)):
            named = [
                option._replace(allowed=either(choice.table.names()))
                if option.name == f"{prefix}{choice.key}"
                else option
                for option in section.options
            ]
            yield section._replace(options=tuple(named))


def _methods(choice: EachOf, given: Any, prefix: str) -> Iterator[Section]:
    parts = dict(given or ())
    for name in choice.table.names():
        kind = choice.table.options(name)
        if kind is not None and dataclasses.fields(kind):
            yield from _sections(parts.get(name) or kind(), f"{prefix}{name}.", ())


@functools.lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]


def _default(default: Any, name: str) -> Any:
    """The value of an instance, or a class's default; None where it has none."""
    if not isinstance(default, type):
        return getattr(default, name)
    field = next(field for field in dataclasses.fields(default) if field.name == name)  # type: ignore[arg-type]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def either(names: Sequence[str]) -> str:
    """a, b or c."""
    return " or ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def near(name: str, known: list[str]) -> list[str]:
    """Up to three dotted names that someone who wrote `name` may have meant.

    Those whose last word is the same, else those whose word is alike or begins with it.
    """
    parent, _, last = name[:80].rpartition(".")
    lasts = {other: other.rpartition(".")[2] for other in known}
    siblings = {word for other, word in lasts.items() if other.rpartition(".")[0] == parent}
    alike = [last]
    if last not in lasts.values():
        words = sorted(set(lasts.values()))
        alike = [
            *difflib.get_close_matches(last, siblings, n=3, cutoff=0.6),
            *difflib.get_close_matches(last, words, n=3, cutoff=0.7),
            *(word for word in words if len(last) >= 3 and word.startswith(last)),
        ]
    found = dict.fromkeys(other for word in alike for other in known if lasts[other] == word)
    return sorted(found, key=lambda other: parent not in ("", other.rpartition(".")[0]))[:3]


def _option(name: str, hint: Any, default: Any, help: str) -> Option:
    kind, limits = _peel(hint)
    if typing.get_origin(kind) is tuple:
        item, item_limits = _peel(typing.get_args(kind)[0])
        some = ", one or more" if any(isinstance(limit, MinLen) for limit in limits) else ""
        return Option(name, _words(item, item_limits, True) + some, default, help, "several values")
    takes: Literal["true or false", "one value"] = "true or false" if kind is bool else "one value"
    return Option(name, _words(kind, limits, False), default, help, takes)


def _words(kind: Any, limits: list[Any], plural: bool) -> str:
    if typing.get_origin(kind) is Literal:
        names = [str(name) for name in typing.get_args(kind)]
        names = [name for name in names if name]  # what is empty is none of them
        if len(names) == 1:
            return names[0]
        return f"{'any' if plural else 'one'} of {', '.join(names)}"
    if kind is bool:
        return "true or false"
    if table := next((limit.table for limit in limits if isinstance(limit, NameIn)), None):
        return f"{'any' if plural else 'one'} of {', '.join(table.names())}"
    if kind is str:
        return "texts" if plural else "text"
    if kind is Path:
        return "paths" if plural else "a path"
    noun = "whole number" if kind is int else "number"
    return " ".join([f"{noun}s" if plural else f"a {noun}", *_range(limits)])


def _range(limits: list[Any]) -> Iterator[str]:
    """Lower and upper bound in words; of several the narrowest."""
    low = max((x for x in limits if isinstance(x, Ge | Gt)), key=_bound, default=None)
    high = min((x for x in limits if isinstance(x, Le | Lt)), key=_bound, default=None)
    if isinstance(low, Ge) and isinstance(high, Le) and _bound(high) != LARGEST:
        yield f"from {_bound(low)} to {_bound(high)}"
        return
    if low is not None:
        yield f"{'>=' if isinstance(low, Ge) else '>'} {_bound(low)}"
    if high is not None and _bound(high) != LARGEST:
        yield f"and {'<=' if isinstance(high, Le) else '<'} {_bound(high)}"


def _bound(limit: Any) -> Any:
    return next(iter(dataclasses.astuple(limit)))


def _peel(hint: Any) -> tuple[Any, list[Any]]:
    """The type inside any number of `Annotated` and "or None", and all limits around it."""
    limits: list[Any] = []
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint, *notes = typing.get_args(hint)
            for note in notes:
                limits += getattr(note, "metadata", [note])
        elif types.NoneType in typing.get_args(hint):
            hint = next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)
        else:
            return hint, limits


def _help(default: Any, name: str) -> str:
    """The docstring below the field, where it is declared."""
    kind = default if isinstance(default, type) else type(default)
    for declared in kind.__mro__:
        field = declared.__dict__.get("__pydantic_fields__", {}).get(name)
        if field is not None and field.description:
            return " ".join(field.description.split())
    return ""


def _first_line(default: Any) -> str:
    kind = default if isinstance(default, type) else type(default)
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
