"""The text of --help: every option with its type, its default and one line of help."""

from __future__ import annotations

import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator

from sparse_rl.config import options
from sparse_rl.config.experiment import Config
from sparse_rl.config.text import FOLDER

WIDTH = 80

INTRODUCTION = """\
usage: python -m sparse_rl.train [CONFIG] [--NAME VALUE ...]

Trains reinforcement-learning policies, prunes and quantises them: all seeds and
all levels of sparsity at once.

CONFIG is a YAML file or the name of one in configs/; without it, sac_pendulum.
Each file says in its first lines what it reproduces, what it needs and what it
gave. By the suite of their environment:
"""

RULES = """\
Every value of it can be overridden by name, for example

  python -m sparse_rl.train sac_pendulum --seeds 3 --sparsity.levels 0 0.9

Numbers may be written as 1e6. A list is given as several words. A switch such
as --agent.double needs no value. Below, each option stands with its type, the
value it has in {name}, and what it means."""


def help_screen(default: Config, name: str, bold: bool = False) -> str:
    """The whole screen, at most 80 columns wide, with the values of `default`, called `name`."""
    lines = [INTRODUCTION, *_experiments(), "", RULES.format(name=name)]
    sections = options.sections(default)
    named = Counter(section.name for section in sections)
    for section in sections:
        lines += ["", *_section(section, bold, named[section.name] > 1)]
    return "\n".join(lines)


def _experiments() -> Iterator[str]:
    """The names in configs/, by suite, in columns."""
    suites: dict[str, list[str]] = defaultdict(list)
    for path in sorted(FOLDER.glob("*.yaml")):
        # Not parsed: a file with a mistake in it must not keep the help from being shown.
        named = re.search(r"^environment:\W*(\w+)/", path.read_text(encoding="utf-8"), re.MULTILINE)
        suites[named[1] if named else "other"].append(path.stem)
    margin = max(map(len, suites), default=0) + 4
    for suite, names in sorted(suites.items()):
        column = max(map(len, names)) + 2
        columns = max(1, (WIDTH - margin) // column)
        for start in range(0, len(names), columns):
            row = "".join(name.ljust(column) for name in names[start : start + columns])
            yield ("  " + suite * (start == 0)).ljust(margin) + row.rstrip()


def _section(section: options.Section, bold: bool, is_one_of_several: bool) -> Iterator[str]:
    title = section.name or "study"
    if is_one_of_several:
        title += f" ({', '.join(section.choices)})"
    yield from _styled(textwrap.wrap(f"{title}: {section.help}", WIDTH), f"{title}:", bold)
    for option in section.options:
        name = f"--{option.name}"
        head = f"  {name}  {option.allowed}  (default: {_typed(option.default)})"
        yield from _styled(textwrap.wrap(head, WIDTH, subsequent_indent=" " * 10), name, bold)
        yield from textwrap.wrap(
            option.help, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
        )


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
    return str(value) or "none"
