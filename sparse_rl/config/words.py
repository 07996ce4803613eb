"""From the words of a command line to options and their values, alike for every command.

    --seeds 3 --sparsity.levels 0 0.9 --agent.double --out=runs/x

A name takes the words that follow it up to the next name: none for a switch, several for a list.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparse_rl.config.error import ConfigError, show
from sparse_rl.config.options import Option

Given = tuple[str, list[str]]
"""An option's dotted name and the words that follow it."""


DASHES = ("-", "\N{EN DASH}", "\N{EM DASH}")
"""With what an option's word begins; a text processor makes one long dash of two."""


def is_option(word: str) -> bool:
    """Whether a word names an option; -3 and -1e-3 are values."""
    try:
        float(word)
    except ValueError:
        return word.startswith(DASHES)
    return False


def split(words: Sequence[str]) -> tuple[list[str], list[Given]]:
    """The words before the first option, and the options. Raises `ConfigError`."""
    first: list[str] = []
    given: list[Given] = []
    for word in words:
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            if not key:
                raise ConfigError(f"{word}: found no name after the dashes; allowed: --NAME VALUE")
            given.append((key.replace("-", "_"), [value] if equals else []))
        elif is_option(word):
            raise ConfigError(f"{word}: options begin with two dashes; allowed: --NAME VALUE")
        else:
            (given[-1][1] if given else first).append(word)
    return first, given


def items(words: Sequence[str]) -> list[str]:
    """The items of a list: several words, or some of them in one, with commas between."""
    return [part for word in words for part in word.replace(",", " ").split()]


def packages(words: Sequence[str]) -> list[str]:
    """What one --import names; several add up. Raises `ConfigError` where it names nothing."""
    if not words:
        raise ConfigError("import: found no value; allowed: the name of a package")
    return items(words)


def value(key: str, words: list[str], option: Option | None) -> object:
    """The words of one option as the value that is to be checked. Raises `ConfigError`."""
    if option is not None and option.takes == "several values":
        return items(words)
    if option is not None and option.takes == "one value" and not words:
        raise ConfigError(f"{key}: found no value; allowed: {option.allowed}")
    if option is not None and len(words) > 1:
        raise ConfigError(f"{key}: found {len(words)} values, {show(words)}; allowed: one")
    return " ".join(words) if words else True
