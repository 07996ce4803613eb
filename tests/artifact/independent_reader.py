"""A reader of packed files written from docs/packed_format.md; it uses nothing of sparse_rl."""

import json
import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

DICTIONARY = Path(__file__).parents[2] / "docs" / "packed_format.dict"
MAGIC = b"\x28\xb5\x2f\xfd"
F = np.float32


@dataclass
class Step:
    """An operation by its name, with its constants and arrays."""

    name: str
    numbers: dict[str, Any] = field(default_factory=dict)
    body: list["Step"] = field(default_factory=list)


@dataclass
class File:
    """What a file says; `parts` are (first byte, byte behind the last, what it is)."""

    version: int
    description: Any
    about: dict[str, Any]
    steps: list[Step]
    parts: list[tuple[int, int, str]]


class Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.parts = data, 0, []  # type: ignore[var-annotated]

    def take(self, count: int, what: str) -> bytes:
        assert self.at + count <= len(self.data)
        self.parts.append((self.at, self.at + count, what))
        self.at += count
        return self.data[self.parts[-1][0] : self.at]

    def varint(self, what: str) -> int:
        start, value, shift = self.at, 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                self.parts.append((start, self.at, f"{what}: {value}"))
                return value

    def block(self, size: int, what: str) -> bytes:
        kind = self.take(1, f"{what}: block of kind {self.data[self.at]}")[0]
        if kind == 0:
            return self.take(size, what)
        data = unpacked(self.take(self.varint(f"{what}: length"), f"{what}, zstandard"), size)
        assert len(data) == size
        return data

    def floats(self, count: int, what: str) -> np.ndarray:
        return np.frombuffer(self.take(4 * count, what), "<f4")


def unpacked(data: bytes, most: int, dictionary: bytes = b"") -> bytes:
    raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    reader = zstandard.ZstdDecompressor(dict_data=raw if dictionary else None)
    return reader.decompress(MAGIC + data, max_output_size=most)


def read(data: bytes) -> File:
    cursor = Cursor(data)
    assert cursor.take(3, "`SRL`") == b"SRL"
    version = cursor.take(1, f"version {data[3]}")[0]
    assert version in (1, 2, 3)
    checksum = int.from_bytes(cursor.take(4, "CRC-32 of all that follows"), "little")
    assert zlib.crc32(data[8:]) == checksum
    length = cursor.varint("length of the description")
    packed = cursor.take(length, "description, zstandard")
    description, about = json.loads(unpacked(packed, 1 << 17, DICTIONARY.read_bytes()))
    names = iter(range(1, 1001))
    steps, _ = operations(cursor, description[1], tuple(description[0][0]), names)
    assert cursor.at == len(data)
    return File(version, description, about, steps, cursor.parts)


def operations(cursor: Cursor, items: Any, shape: tuple[int, ...], names: Any) -> Any:
    found = []
    for item in items:
        name, *rest = [item] if isinstance(item, str) else item
        step = Step(name)
        if name == "dense":
            outputs, weights, source = rest
            step = layer(cursor, name, (shape[0], outputs), weights, source, next(names))
            shape = (outputs,)
        elif name == "conv":
            window, outputs, strides, padding, weights, source = rest
            kernel = (*window, shape[2], outputs)
            step = layer(cursor, name, kernel, weights, source, next(names))
            step.numbers |= {"strides": strides, "padding": padding}
            shape = (*places(shape, window, strides, padding), outputs)
        elif name == "pool":
            window, strides, padding = rest
            step.numbers = {"window": window, "strides": strides, "padding": padding}
            shape = (*places(shape, window, strides, padding), shape[2])
        elif name == "flatten":
            shape = (math.prod(shape),)
        elif name == "residual":
            step.body, _ = operations(cursor, rest[0], shape, names)
        elif name in ("norm", "normalize"):
            of = shape[-1:] if name == "norm" else shape
            first, second = ("scale", "bias") if name == "norm" else ("mean", "variance")
            for what in (first, second):
                array = cursor.block(4 * math.prod(of), f"{name}: {what}")
                step.numbers[what] = np.frombuffer(array, "<f4").reshape(of)
            step.numbers |= {"epsilon": rest[0], "limit": rest[-1]}
        elif name == "rescale":
            raw = cursor.take(shape[0], "rescale: an exponent for each element")
            step.numbers["exponents"] = np.frombuffer(raw, np.int8)
        found.append(step)
    return found, shape


def layer(
    cursor: Cursor, kind: str, shape: tuple[int, ...], weights: str, source: str, number: int
) -> Step:
    say = f"layer {number}"
    size, width = math.prod(shape), 4 if weights == "float32" else 1
    count = cursor.varint(f"{say}: surviving weights")
    parameter = cursor.take(1, f"{say}: Rice parameter {cursor.data[cursor.at]}")[0]
    flat = np.zeros(size, "<f4" if width == 4 else np.int8)
    where = range(size)
    if parameter != 255:
        where = positions(cursor, count, parameter, say)  # type: ignore[assignment]
    assert len(where) == count
    flat[list(where)] = np.frombuffer(cursor.block(count * width, f"{say}: values"), flat.dtype)
    numbers: dict[str, Any] = {"values": flat.reshape(shape), "source": source}
    outputs = shape[-1]
    if source == "shift":
        scale, unit = np.frombuffer(cursor.take(2, f"{say}: exponents of scale and unit"), np.int8)
        whole = [cursor.varint(f"{say}: bias {k} as v") for k in range(outputs)]
        counts = [-(v + 1) // 2 if v % 2 else v // 2 for v in whole]
        numbers["bias"] = np.array([c * 2.0 ** int(unit) for c in counts], F)
        numbers["input"] = F(2.0 ** int(scale))
        numbers["scale"] = np.array([2.0 ** (int(unit) - int(scale))], F)
        return Step(kind, numbers)
    if weights != "float32":
        channels = outputs if weights == "int8/channel" else 1
        numbers["scale"] = cursor.floats(channels, f"{say}: scale of the weights")
    if source in ("static", "floor"):
        numbers["input"] = cursor.floats(1, f"{say}: {source} of the input")[0]
    bias = cursor.block(4 * outputs, f"{say}: biases")
    numbers["bias"] = np.frombuffer(bias, "<f4")
    return Step(kind, numbers)


def positions(cursor: Cursor, count: int, parameter: int, say: str) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in cursor.data[cursor.at :])
    at, quotients = 0, []
    for _ in range(count):
        end = bits.index("1", at)
        quotients.append(end - at)
        at = end + 1
    found, last = [], -1
    for quotient in quotients:
        rest = int(bits[at : at + parameter] or "0", 2)
        at += parameter
        last += 1 + (quotient << parameter) + rest
        found.append(last)
    cursor.take(-(-at // 8), f"{say}: gaps of the positions {found}")
    return found


def places(shape: Any, window: Any, strides: Any, padding: str) -> tuple[int, int]:
    if padding == "SAME":
        return -(-shape[0] // strides[0]), -(-shape[1] // strides[1])
    return tuple((shape[k] - window[k]) // strides[k] + 1 for k in (0, 1))  # type: ignore[return-value]
