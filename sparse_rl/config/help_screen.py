"""The text of --help: every option with its type, its default and one line of help."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from sparse_rl.config import options
from sparse_rl.config.options import Option
from sparse_rl.config.text import FOLDER

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config

NARROWEST, WIDEST = 60, 120
"""Columns: below, words would stand alone; above, lines are hard to follow."""

INTRODUCTION = """\
Trains reinforcement-learning policies, prunes and quantizes them: all seeds and all levels of
sparsity at once.

CONFIG is a YAML file or the name of an experiment; without it, sac_pendulum. Each says in
its first lines what it reproduces, what it needs and what it gave. By the suite of their
environment:"""

RULES = """\
Every value of it can be overridden by name, for example

  python -m sparse_rl.train sac_pendulum --seeds 3 --sparsity.levels 0 0.9

Numbers may be written as 1e6. A list is given as several words. A switch such as --agent.double
needs no value. --import PACKAGE adds what a package of your own registers. --dry-run says what
the study would do and how much memory it needs, and trains nothing. Below, each option stands
with its type, the value it has in {name}, and what it means."""


def width_of_terminal() -> int:
    """Its columns, within reason; 80 where there is no terminal."""
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def help_screen(default: Config, name: str, width: int, bold: bool = False) -> str:
    """The screen of `train`, with the values of `default`, called `name`."""
    lines = ["usage: python -m sparse_rl.train [CONFIG] [--NAME VALUE ...]", ""]
    lines += [*_paragraphs(INTRODUCTION, width), "", *_experiments(width), ""]
    lines += _paragraphs(RULES.format(name=name), width)
    sections = options.sections(default)
    named = Counter(section.name for section in sections)
    for section in sections:
        title = section.name or "study"
        if named[section.name] > 1:
            title += f" ({', '.join(section.choices)})"
        wrapped = textwrap.wrap(f"{title}: {section.help}", width)
        lines += ["", *_styled(wrapped, f"{title}:", bold)]
        for option in section.options:
            lines += _option(option, f"--{option.name}", _default(option), width, bold)
    return "\n".join(lines)


def program_screen(
    usage: str,
    about: str,
    first: Sequence[Option],
    others: Sequence[Option],
    required: Collection[str],
    width: int,
    bold: bool = False,
) -> str:
    """The screen of a command with few options; `first` are those that are given without a name."""
    lines = [usage, "", *_paragraphs(about, width), ""]
    for option in first:
        lines += _option(option, option.name, "", width, bold)
    for option in others:
        default = "(required)" if option.name in required else _default(option)
        lines += _option(option, f"--{option.name}", default, width, bold)
    return "\n".join(lines)


def _paragraphs(text: str, width: int) -> Iterator[str]:
    """Filled to the width; what is indented stays as it is."""
    for number, paragraph in enumerate(text.split("\n\n")):
        yield from [""] * (number > 0)
        is_code = paragraph.startswith(" ")
        yield from [paragraph] if is_code else textwrap.wrap(paragraph, width)


def _experiments(width: int) -> Iterator[str]:
    """The names in configs/, by suite, in columns."""
    suites: dict[str, list[str]] = defaultdict(list)
    for path in sorted(FOLDER.glob("*.yaml")):
        # Not parsed: a file with a mistake in it must not keep the help from being shown.
        named = re.search(r"^environment:\W*(\w+)/", path.read_text(encoding="utf-8"), re.MULTILINE)
        suites[named[1] if named else "other"].append(path.stem)
    margin = max(map(len, suites), default=0) + 4
    for suite, names in sorted(suites.items()):
        column = max(map(len, names)) + 2
        columns = max(1, (width - margin) // column)
        for start in range(0, len(names), columns):
            row = "".join(name.ljust(column) for name in names[start : start + columns])
            yield ("  " + suite * (start == 0)).ljust(margin) + row.rstrip()


def _option(option: Option, name: str, default: str, width: int, bold: bool) -> Iterator[str]:
    head = "  ".join(part for part in (f"  {name}", option.allowed, default) if part)
    yield from _styled(textwrap.wrap(head, width, subsequent_indent=" " * 10), name, bold)
    indent = " " * 6
    yield from textwrap.wrap(option.help, width, initial_indent=indent, subsequent_indent=indent)


def _default(option: Option) -> str:
    return f"(default: {_typed(option.default)})"


def _styled(lines: list[str], part: str, bold: bool) -> list[str]:
    """`lines`, with `part` of the first of them bold where the terminal shows it."""
    styled = lines[0].replace(part, f"\x1b[1m{part}\x1b[0m", 1) if bold else lines[0]
    return [styled, *lines[1:]]


def _typed(value: object) -> str:
    """A value as one types it."""
    if isinstance(value, tuple):
        return " ".join(map(_typed, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return "none" if value is None else str(value) or "none"
