"""What the documentation tells a reader to type: commands, programs and files."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROGRAM = r"(?:(?:\S*/)?python -m sparse_rl\.|sparse-rl )"
_LINE = re.compile(rf"^[ \t]*(?:\$ )?{_PROGRAM}(\w+)(.*)$", re.MULTILINE)
_INLINE = re.compile(rf"`{_PROGRAM}(\w+)([^`\n]*)`")


class Command(NamedTuple):
    """`python -m sparse_rl.<name> <words>` or `sparse-rl <name> <words>`, and the page with it."""

    page: str
    name: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.name} {shlex.join(self.words)}"


class Block(NamedTuple):
    """A fenced block: its language, the file that it stands for ("" for none) and its text."""

    language: str
    title: str
    text: str


def commands(page: Path) -> list[Command]:
    """All commands of this project on a page, in blocks and in sentences."""
    text = page.read_text().replace("\\\n", " ")
    found = [*_LINE.finditer(text), *_INLINE.finditer(text)]
    name = str(page.relative_to(ROOT))
    return [
        Command(name, match[1], tuple(shlex.split(match[2], comments=True)))
        for match in sorted(found, key=lambda match: match.start())
    ]


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    return [
        Block(match[1], match[2] or "", match[3]) for match in _BLOCK.finditer(page.read_text())
    ]
