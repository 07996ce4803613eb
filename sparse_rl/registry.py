"""Open sets by name: agents, sparsity methods, networks, compression passes, environment suites.

What is built in and what a user's own package adds stand in the same tables:

    from sparse_rl import registry

    @registry.AGENTS.register("td3", options=TD3Options)
    def build(config, spec, dots): ...

A package joins when it is imported: by name (`load`, the command line's --import), or because it is
installed with an entry point of the group "sparse_rl". The first look-up loads the latter, and the
names of what is built in; that itself is imported when it is first used, so that --help needs no
JAX. This module imports nothing of the house.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

GROUP = "sparse_rl"
"""The entry points' group: each names a module whose import registers something."""

Made = TypeVar("Made", bound=Callable[..., Any])


class UnknownNameError(ValueError):
    """A name that nothing is registered under; one line, with the nearest ones."""


class Entry(NamedTuple):
    """One registered thing. Both parts are an object, or "module:attribute" until first used."""

    name: str
    options: Any
    implementation: Any


class Registry:
    """One open set: names to the class of their options and to what makes them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, options: Any = None) -> Callable[[Made], Made]:
        """A decorator: what it stands on is known as `name`, with the class of its options.

        Raises ValueError where the name is taken by something else.
        """

        def add(implementation: Made) -> Made:
            self.add(Entry(name, options, implementation))
            return implementation

        return add

    def add(self, entry: Entry) -> None:
        """Puts an entry into the table; the same one twice is no harm (a module imported again)."""
        if not entry.name.isidentifier():
            raise ValueError(f"{self.kind} {entry.name!r}: allowed: letters, digits, underscores")
        known = self._entries.get(entry.name)
        if known is not None and _place(known) != _place(entry):
            raise ValueError(
                f"{self.kind} {entry.name!r}: registered by {_place(known)} and again by "
                f"{_place(entry)}; allowed: one"
            )
        self._entries[entry.name] = entry

    def names(self) -> tuple[str, ...]:
        """All names, in the order in which they were registered."""
        load()
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        load()
        return isinstance(name, str) and name in self._entries

    def options(self, name: str) -> Any:
        """The class of the options of `name`. Raises `UnknownNameError`."""
        entry = self._entry(name)._replace(options=_resolved(self._entry(name).options))
        self._entries[name] = entry
        return entry.options

    def implementation(self, name: str) -> Any:
        """What makes the thing called `name`. Raises `UnknownNameError`."""
        found = self._entry(name)
        entry = found._replace(implementation=_resolved(found.implementation))
        self._entries[name] = entry
        return entry.implementation

    def _entry(self, name: str) -> Entry:
        if name not in self:
            near = difflib.get_close_matches(str(name)[:80], self._entries, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            found = repr(name[:80]) if isinstance(name, str) else repr(name)[:80]
            raise UnknownNameError(
                f"unknown {self.kind} {found}; {hint}allowed: {', '.join(self._entries)}"
            )
        return self._entries[name]


def _resolved(target: Any) -> Any:
    """An object, or what "module:attribute" or "module" names."""
    if not isinstance(target, str):
        return target
    module, colon, attribute = target.partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if colon else found


def _place(entry: Entry) -> str:
    """Where an implementation is defined, by which two entries are told apart."""
    made = entry.implementation
    if isinstance(made, str):
        return made
    module = getattr(made, "__module__", type(made).__module__)
    return f"{module}:{getattr(made, '__qualname__', type(made).__qualname__)}"


AGENTS = Registry("agent")
"""(config, spec, dots) -> an agent; the options are the section `agent`, chosen by its `name`."""
METHODS = Registry("method")
"""(options, config) -> a sparsity method; its options are the section `sparsity.NAME`."""
NETWORKS = Registry("network")
"""(options, observation) -> the operations of a torso; the options are the section `network`."""
PASSES = Registry("pass")
"""(options) -> a pass over policies that have been trained; see `compression.policies`."""
SUITES = Registry("environment suite")
"""A module, or anything with its `names` and `make`; no options: they stand in the name."""

ALL = (AGENTS, METHODS, NETWORKS, PASSES, SUITES)


def _where(error: BaseException) -> str:
    """The line of the user's own file that raised; nothing where no file could be read."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<frozen")][2:]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


_BUILT_IN = "sparse_rl.built_in"
_loaded: set[str] = set()


def load(packages: Iterable[str] = ()) -> None:
    """Imports what is built in, what is installed with an entry point, and `packages` by name.

    Raises ValueError, one line, where a package cannot be imported.
    """
    installed = () if _BUILT_IN in _loaded else importlib.metadata.entry_points(group=GROUP)
    for name in (_BUILT_IN, *(point.module for point in installed), *packages):
        if name in _loaded:
            continue
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a script that ends itself, too
            reason = " ".join([f"{type(error).__name__}:", *str(error).split()])
            raise ValueError(f"imports: {name}: {reason}{_where(error)}") from None
        _loaded.add(name)
