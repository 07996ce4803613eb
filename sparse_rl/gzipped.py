"""Bytes in gzip, the same ones in every version of Python."""

from __future__ import annotations

import zlib

_GZIP = 31
"""zlib's number for the format; the module gzip writes other bytes in other versions of Python."""


def gzipped(content: bytes) -> bytes:
    """The content compressed as far as zlib can, without a name or a time."""
    return zlib.compress(content, level=9, wbits=_GZIP)
