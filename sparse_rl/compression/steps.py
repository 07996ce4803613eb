"""Steps of compression in words: prune:0.9, int8_static:calibration=mse, units:0.5+distil+int8."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparse_rl import registry
from sparse_rl.compression.policies import Pass
from sparse_rl.registry import PASSES

JOINED = "+"

Common = Mapping[str, Mapping[str, object]]
"""Options that all steps of a pass have unless they say otherwise, by the pass's name."""


@dataclass(frozen=True)
class Step:
    """One pass by its registered name, with its options.

    `common` are the values that all steps of its pass have in a compression unless they say
    otherwise; names leave these out.
    """

    name: str
    options: Any
    common: tuple[tuple[str, object], ...] = ()

    @property
    def label(self) -> str:
        """A short name: prune0.9, int8_static-mse; its options that are not the usual ones."""
        level = getattr(self.options, "level", 0.0)
        return self.family.replace(self.name, f"{self.name}{level:g}" if level else self.name, 1)

    @property
    def family(self) -> str:
        """The short name without its level: what is drawn alike."""
        parts, usual = [self.name], dict(self.common)
        for field in dataclasses.fields(self.options):
            value = getattr(self.options, field.name)
            if field.name != "level" and value != usual.get(field.name, field.default):
                parts.append(value if isinstance(value, str) else f"{field.name}{value:g}")
        return "-".join(parts)

    def build(self) -> Pass:
        made: Pass = PASSES.implementation(self.name)(self.options)
        return made


Chain = tuple[Step, ...]
"""Steps one after the other."""


def name_of(chain: Chain) -> str:
    """A short name for people and files, such as prune0.9+int8; nothing parses it."""
    return JOINED.join(step.label for step in chain)


def family_of(chain: Chain) -> str:
    """The name without levels, such as prune + int8: what a figure draws alike."""
    return f" {JOINED} ".join(step.family for step in chain)


def parse_chain(text: str, common: Common | None = None) -> Chain:
    """The steps that `text` names, joined by plus signs; `common` are options by pass.

    Raises ValueError, one line, for an unknown pass, option or value.
    """
    registry.load()
    words = text.split(JOINED)
    if not all(words):
        raise ValueError(f"step: found {text!r}; allowed: NAME[:LEVEL][:OPTION=VALUE]+...")
    return tuple(parse_step(word, common) for word in words)


def parse_step(text: str, common: Common | None = None) -> Step:
    """One step, NAME[:LEVEL][:OPTION=VALUE]. Raises ValueError, one line."""
    name, *rest = text.split(":")
    kind = PASSES.options(name)
    known = [field.name for field in dataclasses.fields(kind)]
    values: dict[str, str] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals:
            key, value = "level", word
        if key not in known:
            raise ValueError(f"{text}: {key}: unknown; allowed: {', '.join(known)}")
        if key in values:
            raise ValueError(f"{text}: {key}: given twice; allowed: once")
        values[key] = value
    shared = (common or {}).get(name, {})
    try:
        return Step(name, kind(**{**shared, **values}), tuple(shared.items()))
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None
