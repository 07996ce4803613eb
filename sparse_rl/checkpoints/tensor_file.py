"""A safetensors file that is written and read as a stream, with a checksum over its bytes.

The arrays of a population may be gigabytes: they go to disk and come back one after the other, so
that memory never holds a second copy of all of them. With `compress` the same bytes go through
Zstandard.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import zstandard

_NAMES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "bfloat16": "BF16",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}
_TYPES = {short: name for name, short in _NAMES.items()}
_LEVEL = 1  # replay shrinks nearly as well as at higher levels, and several times faster


class OtherVersionError(ValueError):
    """A file that is whole, and does not hold what this version looks for."""


class CorruptFileError(ValueError):
    """A file is not what was written. One line."""


class Source(NamedTuple):
    """An array that is yet to be fetched: `parts` gives it in pieces along its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype
    parts: Callable[[], Iterator[np.ndarray]]


class Stored(NamedTuple):
    """What a file must be when it is read again."""

    bytes: int
    crc32: int


def write(path: Path, sources: Mapping[str, Source], compress: bool = False) -> Stored:
    """Writes all arrays, in order, and waits until the disk has them.

    Raises OSError, where the disk is full or the directory cannot be written.
    """
    header = _header(sources)
    with path.open("wb") as file:
        sink = _Checksum(file)
        # Any: zstandard asks for whole file objects where it needs these methods only.
        stream: Any = sink
        if compress:
            stream = zstandard.ZstdCompressor(_LEVEL).stream_writer(cast(IO[bytes], sink))
        stream.write(struct.pack("<Q", len(header)))
        stream.write(header)
        for source in sources.values():
            for part in source.parts():
                # A view as bytes: nothing is copied, and bfloat16 needs no special case.
                stream.write(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        if compress:
            stream.flush(zstandard.FLUSH_FRAME)
        file.flush()
        os.fsync(file.fileno())
        return Stored(sink.bytes, sink.crc32)


def read(path: Path, stored: Stored, compressed: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays in the order in which they were written.

    Raises `CorruptFileError` where the file is missing, shorter, longer or changed: at the latest
    after the last array, so what came before counts only then.
    """
    try:
        if path.stat().st_size != stored.bytes:
            raise CorruptFileError(f"{path}: {path.stat().st_size} bytes instead of {stored.bytes}")
        with path.open("rb") as file:
            source = _Checksum(file)
            stream: Any = source
            if compressed:
                stream = zstandard.ZstdDecompressor().stream_reader(cast(IO[bytes], source))
            yield from _arrays(path, stream)
            while source.read(2**20):
                pass
        if source.crc32 != stored.crc32:
            raise CorruptFileError(
                f"{path}: checksum {source.crc32:08x} instead of {stored.crc32:08x}"
            )
    except (FileNotFoundError, zstandard.ZstdError) as error:
        raise CorruptFileError(f"{path}: cannot be read: {error}") from None


def _header(sources: Mapping[str, Source]) -> bytes:
    entries, offset = {}, 0
    for name, (shape, dtype, _) in sources.items():
        end = offset + int(np.prod(shape)) * dtype.itemsize
        entries[name] = {
            "dtype": _NAMES[dtype.name],
            "shape": list(shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries).encode()
    return text + b" " * (-len(text) % 8)


def _arrays(path: Path, stream: IO[bytes] | _Checksum) -> Iterator[tuple[str, np.ndarray]]:
    try:
        (length,) = struct.unpack("<Q", _exactly(stream, 8))
        entries = json.loads(_exactly(stream, min(length, 2**28)))
        fields = [
            (name, np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"]))
            for name, entry in entries.items()
        ]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, EOFError):
        raise CorruptFileError(f"{path}: its header cannot be read") from None
    for name, dtype, shape in fields:
        array = np.empty(shape, dtype)
        try:
            _fill(stream, array.reshape(-1).view(np.uint8))
        except EOFError:
            raise CorruptFileError(f"{path}: ends within {name}") from None
        yield name, array


def _exactly(stream: IO[bytes] | _Checksum, count: int) -> bytes:
    room = np.empty(count, np.uint8)
    _fill(stream, room)
    return room.tobytes()


def _fill(stream: IO[bytes] | _Checksum, room: np.ndarray) -> None:
    filled = 0
    while filled < room.size:
        count = stream.readinto(room[filled:].data)  # type: ignore[union-attr]
        if not count:
            raise EOFError
        filled += count


class _Checksum(io.RawIOBase):
    """Passes bytes through and keeps their count and CRC-32."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = self.crc32 = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._count(data)
        self._file.write(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count(data)
        return data

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        count: int = self._file.readinto(room)  # type: ignore[attr-defined]
        self._count(room[:count])
        return count

    def _count(self, data: bytes | memoryview) -> None:
        self.bytes += len(data)
        self.crc32 = zlib.crc32(data, self.crc32)
