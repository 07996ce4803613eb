"""Every option that a tree of dataclasses has: its dotted name, what it allows, default and help.

The help screen, the command line and the errors all read this, so that they agree.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MinLen

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
    """The options of one dataclass. `choice` tells apart the sections that exclude each other."""

    name: str
    choice: str
    help: str
    options: tuple[Option, ...]


@functools.lru_cache(maxsize=16)
def sections(default: Any) -> tuple[Section, ...]:
    """All sections of the dataclass `default`, whose values are shown as the defaults.

    Where a field holds one of several dataclasses there is a section for each; their field `name`
    says which is meant.
    """
    return tuple(_sections(default, "", ()))


def _sections(default: Any, prefix: str, choices: tuple[str, ...]) -> list[Section]:
    hints = typing.get_type_hints(type(default), include_extras=True)
    fields = [field.name for field in dataclasses.fields(default)]
    parts = {name: _dataclasses(hints[name]) for name in fields}
    own = tuple(
        _option(f"{prefix}{name}", hints[name], getattr(default, name), _help(default, name))
        for name in fields
        if not parts[name]
    )
    choice = default.name if choices else ""
    if choices:
        own = tuple(
            option._replace(allowed=" or ".join(choices))
            if option.name == f"{prefix}name"
            else option
            for option in own
        )
    found = [Section(prefix.rstrip("."), choice, _first_line(default), own)]
    for name in fields:
        given = getattr(default, name)
        inner = [given if isinstance(given, kind) else kind() for kind in parts[name]]
        alternatives = tuple(part.name for part in inner) if len(inner) > 1 else ()
        for part in inner:
            found += _sections(part, f"{prefix}{name}.", alternatives)
    return found


def near(name: str, known: list[str]) -> list[str]:
    """Up to three dotted names that someone who wrote `name` may have meant."""
    parent, _, last = name[:80].rpartition(".")
    lasts = {other: other.rpartition(".")[2] for other in known}
    siblings = {word for other, word in lasts.items() if other.rpartition(".")[0] == parent}
    alike = [
        last,
        *difflib.get_close_matches(last, siblings, n=3, cutoff=0.6),
        *difflib.get_close_matches(last, set(lasts.values()), n=3, cutoff=0.7),
    ]
    return list(dict.fromkeys(other for word in alike for other in known if lasts[other] == word))[
        :3
    ]


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
        names = list(map(str, typing.get_args(kind)))
        if len(names) == 1:
            return names[0]
        return f"{'any' if plural else 'one'} of {', '.join(names)}"
    if kind is bool:
        return "true or false"
    if kind is str:
        return "text"
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
    """The type inside any number of `Annotated`, and all limits that were put around it."""
    limits: list[Any] = []
    while typing.get_origin(hint) is typing.Annotated:
        hint, *notes = typing.get_args(hint)
        for note in notes:
            limits += getattr(note, "metadata", [note])
    return hint, limits


def _dataclasses(hint: Any) -> list[Any]:
    """The dataclasses that a field may hold; none where it holds a plain value."""
    kind, _ = _peel(hint)
    kinds = typing.get_args(kind) if typing.get_origin(kind) in _UNIONS else (kind,)
    return [k for k in (_peel(kind)[0] for kind in kinds) if dataclasses.is_dataclass(k)]


_UNIONS = (typing.Union, types.UnionType)


def _help(default: Any, name: str) -> str:
    """The docstring below the field."""
    return " ".join((type(default).__pydantic_fields__[name].description or "").split())


def _first_line(default: Any) -> str:
    return (type(default).__doc__ or "").partition("\n\n")[0].replace("\n", " ")
