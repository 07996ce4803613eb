"""Files that are there whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """The name to write under; it takes the place of `file` when the block ends.

    By then the disk has all of it, so that a power cut leaves one or the other. Where the block
    raises, `file` is as it was and what was written is removed.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        sync(part)
        os.replace(part, file)
        sync(file.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_contents(folder: Path) -> Iterator[Path]:
    """An empty folder to write into; its files and folders move into `folder` when the block ends.

    What they do not replace stays there. Where the block raises, `folder` is as it was. Raises
    OSError, before the block, where `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file; needed is a folder", str(folder))
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        folder.mkdir(exist_ok=True)
        entries = sorted(part.iterdir())
        for entry in entries:
            target = folder / entry.name
            if target.exists() and target.is_dir() != entry.is_dir():
                kinds = "a folder", "a file"
                found, needed = kinds if target.is_dir() else kinds[::-1]
                raise FileExistsError(errno.EEXIST, f"is {found}; needed is {needed}", str(target))
        for entry in entries:
            target = folder / entry.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(entry, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def sync(path: Path) -> None:
    """Waits until the disk has a file, or the names in a directory."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no directory
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(file: Path, content: bytes) -> None:
    """Writes `content` into `file`, whole or not at all. Raises OSError."""
    with replacing(file) as part:
        part.write_bytes(content)


def write_text(file: Path, content: str) -> None:
    """Writes `content` into `file`, whole or not at all: UTF-8, line feeds. Raises OSError."""
    write_bytes(file, content.encode())
