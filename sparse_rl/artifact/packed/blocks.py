"""Bytes of a packed file: numbers of variable length, blocks, and a reader that stays inside."""

from __future__ import annotations

import numpy as np
import zstandard
from numpy.typing import NDArray

from sparse_rl.artifact.packed.description import DICTIONARY

_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS


class Reader:
    """A cursor that never reads past the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or count > len(self.data) - self.position:
            raise ValueError("it ends early")
        self.position += count
        return self.data[self.position - count : self.position]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number is too long")

    def block(self, size: int) -> bytes:
        kind = self.take(1)[0]
        if kind == 0:
            return self.take(size)
        if kind != 1:
            raise ValueError(f"block of kind {kind}")
        data = decompressed(
            self.take(self.varint()), size, zstandard.ZstdDecompressor(format=_FORMAT)
        )
        if len(data) != size:
            raise ValueError(f"a block of {len(data)} bytes, expected {size}")
        return data

    def floats(self, count: int) -> NDArray[np.float32]:
        values = np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError("a number is not finite")
        return values


def decompressed(frame: bytes, most: int, reader: zstandard.ZstdDecompressor) -> bytes:
    """What a frame without its magic number holds, at most `most` bytes.

    Raises ValueError or `zstandard.ZstdError` where it holds more, or is damaged.
    """
    claimed = zstandard.get_frame_parameters(frame, format=_FORMAT).content_size
    # zstandard takes as much memory as a frame says that it needs, whatever it is allowed.
    if claimed != zstandard.CONTENTSIZE_UNKNOWN and claimed > most:
        raise ValueError(f"a frame that claims {claimed} bytes; allowed: {most}")
    return reader.decompress(frame, max_output_size=most)


def varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def block(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, format=_FORMAT, write_content_size=False, write_checksum=False
    )
    compressed = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    smaller = b"\x01" + varint(len(compressed)) + compressed
    return smaller if len(smaller) < len(data) + 1 else b"\x00" + data


def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(DICTIONARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def compressor() -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19,
        format=_FORMAT,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary())


def decompressor() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(format=_FORMAT, dict_data=_dictionary())
