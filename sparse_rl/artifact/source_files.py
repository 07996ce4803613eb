"""Generated sources as texts by their paths: names of one's own, and a folder to write them in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sparse_rl import atomic_file

Files = Mapping[str, str]
"""Texts by path within the folder, with / between folders."""


def check_prefix(prefix: str) -> None:
    """Raises ValueError where it is no C identifier in lower case."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", prefix):
        raise ValueError(
            f"prefix: found {prefix!r}; allowed: a lower-case letter, then at most 30 more, "
            f"digits and _"
        )


def with_prefix(files: Files, prefix: str) -> dict[str, str]:
    """The same with `prefix` in place of srl in all names, those of the files included.

    Raises ValueError as `check_prefix` does.
    """
    check_prefix(prefix)

    def renamed(text: str) -> str:
        text = re.sub(r"\bSRL_", f"{prefix.upper()}_", text)
        return re.sub(r"\b(lib)?srl(?=_|::)", rf"\g<1>{prefix}", text)

    return {renamed(name): renamed(text) for name, text in files.items()}


def write(files: Files, directory: Path) -> None:
    """Writes every file into `directory`, which is made where it is not there. Raises OSError."""
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write_text(file, text)


def one_line(text: str) -> str:
    """What may stand in a comment of any language, on one line: nothing in it ends a comment of C.

    What is not printable ASCII is left out.
    """
    kept = "".join(letter for letter in text if letter.isascii() and letter.isprintable())
    # To take such a mark away could make another one of what stands around it.
    return kept.replace("*/", "* /").replace("/*", "/ *")


def version() -> str:
    """The version of a generated package: that of sparse_rl, as three numbers."""
    from importlib import metadata  # slow to import, and --help needs the names in this file

    found = re.match(r"\d+\.\d+\.\d+", metadata.version("sparse_rl"))
    return found[0] if found else "0.0.0"
