"""How many fields an ONNX file has, counted before any of them is made an object.

A parsed message takes a hundred bytes of memory and more, and two in the file. So the fields of the
Protocol Buffers wire format (protobuf.dev/programming-guides/encoding) are counted first, in the
messages that a policy has, by their numbers in onnx.proto; messages that no policy has are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

MOST_FIELDS = 1 << 18
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


class Message(NamedTuple):
    """A kind of message: its name, the kinds of its fields by number, and fields that are refused.

    Where `inner` is None, every field of bytes may be a message, and is counted as one.
    """

    name: str
    inner: Mapping[int, Message] | None = None
    refused: tuple[int, ...] = ()


_TENSOR = Message("a tensor", {})
_TYPED = Message("an input or output")
_PAIR = Message("an entry", {})
_ATTRIBUTE = Message("an attribute", {5: _TENSOR}, (6, 10, 11, 14, 15, 22, 23))
_NODE = Message("a node", {5: _ATTRIBUTE, 9: _PAIR})
_GRAPH = Message(
    "the graph",
    {1: _NODE, 5: _TENSOR, 11: _TYPED, 12: _TYPED, 13: _TYPED, 16: _PAIR},
    (14, 15),
)
_MODEL = Message("the model", {7: _GRAPH, 8: _PAIR, 14: _PAIR}, (20, 25, 26))


def check_fields(data: bytes) -> None:
    """Raises ValueError, one line, for more than 2^18 fields, or those that no policy has.

    Those are functions, trainings, graphs in attributes, quantized and sparse tensors.
    """
    count = 0
    waiting: list[tuple[int, int, Message]] = [(0, len(data), _MODEL)]
    while waiting:
        start, end, message = waiting.pop()
        try:
            for number, first, last in _fields(data, start, end):
                count += 1
                if count > MOST_FIELDS:
                    raise ValueError(f"an ONNX model of more than {MOST_FIELDS} fields")
                if number in message.refused:
                    raise ValueError(f"an ONNX model with a field {number} in {message.name}")
                if first < last:
                    inner = message if message.inner is None else message.inner.get(number)
                    if inner is not None:
                        waiting.append((first, last, inner))
        except _NoMessageError:
            if message.inner is not None:
                raise ValueError("no ONNX model, and nothing else that is readable") from None


class _NoMessageError(Exception):
    """These bytes are no message: a name or another string."""


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, where its bytes start, where they end) of each field; an empty range for numbers."""
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        kind, first = tag & 7, position
        if kind == _BYTES:
            length, first = _varint(data, position, end)
            position = first + length
        elif kind == _VARINT:
            _, position = _varint(data, position, end)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            position += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise _NoMessageError
        if position > end:
            raise _NoMessageError
        yield tag >> 3, first if kind == _BYTES else position, position


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A number of seven bits per byte, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise _NoMessageError
