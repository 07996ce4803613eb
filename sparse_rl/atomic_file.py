"""Files that are there whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHOWN = 50
"""Letters of a file's name in that under which it is written."""
_RANDOM = 8
"""Random bytes in that name."""
_PART = re.compile(rf"\..+\.[0-9a-f]{{{2 * _RANDOM}}}\.part")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """The name to write under; it takes the place of `file` when the block ends.

    By then the disk has all of it, so that a power cut leaves one or the other. Where the block
    raises, `file` is as it was and what was written is removed.
    """
    # Nobody else has a file of this name, and with a long one it is not too long for a disk.
    part = file.with_name(f".{file.name[:_SHOWN]}.{secrets.token_hex(_RANDOM)}.part")
    try:
        yield part
        sync(part)
        os.replace(part, file)
        sync(file.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_contents(folder: Path) -> Iterator[Path]:
    """An empty folder to write into; its files move to the same places in `folder` at the end.

    All others stay there, in sub-folders too: nobody knows whose they are. Where the block raises,
    or something is in the way of a file, `folder` is as it was. Raises OSError: as `check_folder`
    does before the block; after it where a file is needed and a folder there, or the reverse, or a
    symbolic link is where a folder is needed, since what it points to is somebody else's.
    """
    check_folder(folder)
    folder = Path(os.path.realpath(folder))
    # Inside of a folder that is there: the one above may be another disk, or not the user's.
    place = folder if folder.is_dir() else folder.parent
    place.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=place))
    try:
        yield part
        moves = _moves(part, folder)
        folder.mkdir(exist_ok=True)
        for entry, target in moves:
            os.replace(entry, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_parts(folder: Path) -> None:
    """Removes what `replacing` has begun in `folder` and a process that was killed left behind.

    For who alone writes there: what another process is writing just now is removed, too.
    """
    for path in folder.glob(".*.part"):
        if _PART.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def check_folder(folder: Path) -> None:
    """Raises OSError where `folder` is, or would have to be in, a file or what is not writable."""
    found = Path(os.path.realpath(folder))
    while not os.path.lexists(found):
        found = found.parent
    if not found.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file; needed is a folder", str(found))
    _check_writable(found)


def _moves(part: Path, folder: Path) -> list[tuple[Path, Path]]:
    """What is to be renamed, and to what, so that `folder` has all of `part`. Raises OSError."""
    if not folder.exists():
        return [(entry, folder / entry.name) for entry in sorted(part.iterdir())]
    _check_writable(folder)
    moves = []
    for entry in sorted(part.iterdir()):
        target = folder / entry.name
        needed = "a folder" if entry.is_dir() else "a file"
        if not os.path.lexists(target):
            moves.append((entry, target))
        elif entry.is_dir() and target.is_symlink():
            raise _in_the_way(target, "a symbolic link", needed)
        elif entry.is_dir() != target.is_dir():
            raise _in_the_way(target, "a folder" if target.is_dir() else "a file", needed)
        elif entry.is_dir():
            moves += _moves(entry, target)
        else:
            moves.append((entry, target))
    return moves


def _check_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "is not writable; needed is one that is", str(folder))


def _in_the_way(path: Path, found: str, needed: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, f"is {found}; needed is {needed}", str(path))


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
