"""Packed files that are damaged on purpose, each with a right checksum."""

from __future__ import annotations

import copy
import json
import random
import zlib
from typing import Any
from unittest import mock

import numpy as np
import zstandard

from sparse_rl.artifact import packed
from sparse_rl.artifact.packed import file as packed_file
from sparse_rl.artifact.packed.blocks import Reader, compressor, decompressor, varint

EXTREMES = (0, 1, 127, 128, 255, 1 << 14, (1 << 24) - 1, 1 << 24, 1 << 26, 1 << 31, (1 << 35) - 1)
VALUES: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 255, 4096, (1 << 24) - 1, 1 << 24, 1 << 31, 1 << 63, -(1 << 63), 10**400,
    0.5, -0.5, 1e-300, 1e-40, 1e30, 1e308, float("nan"), float("inf"), None, True, False, "", "x",
    [], {}, [[]], "x" * 5000, "a\nb", "\x1b[2J", "\ud800", "relu", "tanh", "flatten", "rescale",
    ["norm", 1e-5], ["normalize", 1e-8, 10.0], ["residual", []], ["residual", ["relu"]], "dynamic",
    ["pool", [1, 1], [1, 1], "SAME"], ["pool", [9999, 9999], [1, 1], "SAME"], "argmax", "uint8",
    ["dense", 1 << 22, "int8", "float"], ["dense", 3000, "float32", "float"], "float32", "shift",
    ["squash", -1.0, 1.0], ["clip", -1e308, 1e308], "int8", "int8/channel", "static", "floor",
    ["conv", [1, 1], 1 << 20, [1, 1], "SAME", "int8", "float"],
)  # fmt: skip


def with_checksum(version: int, body: bytes) -> bytes:
    return b"SRL" + bytes([version]) + zlib.crc32(body).to_bytes(4, "little") + body


def damaged(draw: random.Random, files: list[bytes]) -> tuple[str, bytes]:
    """How a file was damaged, and its content."""
    kind = draw.choice((*_WAYS, *tuple(_WAYS)[:-1] * 8))
    data = draw.choice(files)
    body = _WAYS[kind](draw, data, files)
    version = data[3] if draw.random() < 0.8 else draw.choice((1, 2, 3))
    return kind, with_checksum(version, body)


def places(data: bytes) -> list[int]:
    """Where in the body each part begins that a reader takes by itself."""
    found = []

    class Spy(Reader):
        def take(self, count: int) -> bytes:
            found.append(self.position)
            return super().take(count)

    with mock.patch.object(packed_file, "Reader", Spy):
        packed.from_bytes(data)
    return found


def _flips(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    body = bytearray(data[8:])
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
    return bytes(body)


def _set(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    body = bytearray(data[8:])
    for _ in range(draw.choice((1, 1, 2, 8))):
        body[draw.randrange(len(body))] = draw.choice((0, 1, 127, 128, 254, 255))
    return bytes(body)


def _cut(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    body = data[8:]
    at = draw.randrange(len(body))
    return body[:at] + (b"" if draw.random() < 0.5 else body[at + draw.randint(1, 9) :])


def _inserted(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    body = data[8:]
    at = draw.randrange(len(body) + 1)
    return body[:at] + draw.randbytes(draw.choice((1, 2, 5, 9, 300))) + body[at:]


def _spliced(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    body, other = data[8:], draw.choice(files)[8:]
    return body[: draw.randrange(len(body))] + other[draw.randrange(len(other)) :]


def _lengths(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    body = data[8:]
    at = draw.choice(_places(data))
    return body[:at] + varint(draw.choice(EXTREMES)) + body[at + draw.choice((1, 1, 2)) :]


_KNOWN: dict[bytes, list[int]] = {}


def _places(data: bytes) -> list[int]:
    if data not in _KNOWN:
        _KNOWN[data] = places(data)
    return _KNOWN[data]


def _text(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    """Letters of the description changed."""
    text, rest = _opened(data)
    letters = bytearray(text)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(letters))
        if draw.random() < 0.7:
            letters[at] = draw.choice(b'0123456789[]{},:"-.eE \x00\xff')
        else:
            letters[at:at] = draw.choice((b"9", b"999999", b"[" * 3000, b"e308", b"0", b'"', b"]"))
    return _closed(bytes(letters), rest)


def _structure(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    """Values of the description replaced, doubled, dropped or exchanged."""
    text, rest = _opened(data)
    tree = json.loads(text)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        node = tree
        while True:
            keys: Any = list(node) if isinstance(node, dict) else range(len(node))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.85:
                node = node[key]
                continue
            _change(draw, node, key)
            break
    return _closed(json.dumps(tree, separators=(",", ":")).encode(), rest)


def _change(draw: random.Random, node: Any, key: Any) -> None:
    kind = draw.random()
    if kind < 0.7 or isinstance(node, dict):
        node[key] = copy.deepcopy(draw.choice(VALUES))  # or a later change is of VALUES
    elif kind < 0.8:
        node[key:key] = [node[key]] * draw.choice((1, 1, 2000))
    elif kind < 0.9:
        del node[key]
    else:
        other = draw.randrange(len(node))
        node[key], node[other] = node[other], node[key]


def _crafted(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    """A small file that says much: dense layers and images of any size, their arrays zeros."""
    size = lambda: int(2 ** draw.uniform(0, draw.choice((4, 10, 24))))  # noqa: E731
    image = draw.random() < 0.4
    shape = [size(), size(), size()] if image else [size()]
    steps: list[Any] = []
    body, inputs = b"", shape[-1]
    many = draw.choice((1, 2, 3, 20, 999))
    for _ in range(many):
        outputs, kind = (
            size() if many < 20 else min(size(), 60),
            draw.choice(("float32", "int8", "int8/channel")),
        )
        weights = inputs * outputs
        if image and draw.random() < 0.5:
            steps.append(["pool", [1, 1], [1, 1], draw.choice(("SAME", "VALID"))])
            continue
        if image:
            window = draw.choice(([1, 1], [3, 3], [size(), size()]))
            steps.append(["conv", window, outputs, [1, 1], "SAME", kind, "float"])
            weights *= window[0] * window[1]
        else:
            steps.append(["dense", outputs, kind, "float"])
        width = 4 if kind == "float32" else 1
        if draw.random() < 0.5 and weights < 1 << 24:
            body += varint(min(weights, (1 << 35) - 1)) + b"\xff" + _zeros(weights * width)
        else:
            body += b"\x00\x00\x00"
        if kind != "float32":
            channels = outputs if kind == "int8/channel" else 1
            body += np.ones(min(channels, 1 << 16), "<f4").tobytes()
        body += _zeros(4 * outputs)
        inputs = outputs
    output: Any = draw.choice(("argmax", ["squash", -1.0, 1.0]))
    text = json.dumps([[shape, "float32", 1.0, 1], steps, output]).encode()
    return _closed(b"[" + text + b",{}]", body)


_ZEROS: dict[int, bytes] = {}


def _zeros(count: int) -> bytes:
    if count > 1 << 26:
        return b"\x01\x00"
    if count not in _ZEROS:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            1, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
        )
        data = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(count))
        _ZEROS[count] = b"\x01" + varint(len(data)) + data
    return _ZEROS[count]


def _opened(data: bytes) -> tuple[bytes, bytes]:
    """The description's text, and the body behind it."""
    reader = Reader(data[8:])
    text = decompressor().decompress(reader.take(reader.varint()), max_output_size=1 << 20)
    return text, reader.data[reader.position :]


def _closed(text: bytes, rest: bytes) -> bytes:
    description = compressor().compress(text)
    return varint(len(description)) + description + rest


def bomb(size: int) -> bytes:
    """A frame without its magic number that says its size, and holds so many spaces."""
    at_once = 1 << 17
    blocks = [(at_once, 0)] * (size // at_once) + [(size % at_once, 1)]
    repeated = 1 << 1  # a block of one byte so many times; its first bit says that it is the last
    body = b"".join((n << 3 | repeated | last).to_bytes(3, "little") + b" " for n, last in blocks)
    return b"\xc0\x38" + size.to_bytes(8, "little") + body


def _bombs(draw: random.Random, data: bytes, files: list[bytes]) -> bytes:
    """Where a frame may be, one that holds far more, and whose header says so."""
    frame = bomb(1 << draw.randint(10, 31))
    frame = varint(len(frame)) + frame
    if draw.random() < 0.5:
        return frame + _opened(data)[1]
    body, at = data[8:], draw.choice(_places(data))
    return body[:at] + b"\x01" + frame + body[at + 1 :]


_WAYS = {
    "bits flipped": _flips,
    "bytes set": _set,
    "cut": _cut,
    "bytes inserted": _inserted,
    "two files spliced": _spliced,
    "lengths at their extremes": _lengths,
    "letters of the description": _text,
    "values of the description": _structure,
    "frames that say their size": _bombs,
    "small files that say much": _crafted,
}
