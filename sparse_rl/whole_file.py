"""Files that are there whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """The name to write under; it takes the place of `file` when the block ends.

    Where the block raises, `file` is as it was and what was written is removed.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(file: Path, content: bytes) -> None:
    """Writes `content` into `file`, whole or not at all. Raises OSError."""
    with replacing(file) as part:
        part.write_bytes(content)


def write_text(file: Path, content: str) -> None:
    """Writes `content` into `file`, whole or not at all: UTF-8, line feeds. Raises OSError."""
    write_bytes(file, content.encode())
