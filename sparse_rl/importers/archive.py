"""Members of a zip file as bytes, within limits; nothing is written and no name is a path.

A zip may be far smaller than what it unpacks to, so sizes are checked before and while a member is
unpacked, and all that is read from one archive has one limit together.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

MOST_BYTES = 1 << 29
MOST_MEMBERS = 1 << 12
_LARGEST_RATIO = 200
_SMALL = 1 << 20
"""A member of this size may have any ratio: a small file of zeros is no bomb."""
_CENTRAL = b"PK\x01\x02"
_ENCRYPTED = 1


def is_zip(data: bytes) -> bool:
    """Whether it begins as a zip file with members does."""
    return data[:4] == b"PK\x03\x04"


class Archive:
    """The members of a zip file, each unpacked when it is asked for.

    Raises ValueError, one line, where it is no zip file, has more than 4,096 members or two of one
    name.
    """

    def __init__(self, data: bytes) -> None:
        # Each member has this signature: they are counted before any of them is read.
        if data.count(_CENTRAL) > MOST_MEMBERS:
            raise ValueError(f"a zip file of more than {MOST_MEMBERS} members")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGE as error:
            raise ValueError(f"a damaged zip file: {_line(error)}") from None
        self._members = {member.filename: member for member in self._zip.infolist()}
        if len(self._members) != len(self._zip.infolist()):
            raise ValueError("a zip file with two members of one name")
        self._left = MOST_BYTES

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The bytes of a member. ValueError where it is missing, damaged, or larger than allowed.

        Larger than `most`, than what is left of 512 MiB for the archive, or, beyond 1 MiB, than 200
        times its packed size.
        """
        if name not in self._members:
            raise ValueError(f"{name[:80]} is missing in the zip file")
        member = self._members[name]
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name[:80]}: encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name[:80]}: compression {member.compress_type}; allowed: deflate")
        size, limit = member.file_size, min(most, self._left)
        if size > _SMALL and size > _LARGEST_RATIO * member.compress_size:
            raise ValueError(
                f"{name[:80]}: {member.compress_size} bytes that unpack to {size}; "
                f"allowed: {_LARGEST_RATIO} times as many"
            )
        if size > limit:
            raise ValueError(f"{name[:80]}: unpacks to {size} bytes; allowed: {limit}")
        try:
            with self._zip.open(member) as stream:
                content = stream.read(limit + 1)
        except _DAMAGE as error:
            raise ValueError(f"{name[:80]}: damaged in the zip file: {_line(error)}") from None
        if len(content) != size:
            raise ValueError(
                f"{name[:80]}: damaged in the zip file: {len(content)} of {size} bytes"
            )
        self._left -= size
        return content


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
