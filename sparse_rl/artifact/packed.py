"""The packed file (`.srl`): a compressed actor in about as many bytes as its information takes.

    offset  bytes
    0       3      "SRL"
    3       1      version (1)
    4       4      CRC-32 of everything after it, little endian
    8       1-5    length of the description, LEB128
            ...    description: JSON, zstandard frame without magic number, with a fixed dictionary
            ...    the layers in order of execution, each:
                     number of surviving weights n (LEB128), Rice parameter (1 byte, 255: no index
                     because all weights are stored), index code, values (int8 or float32, a block),
                     scales (float32), input scale (float32, if any), biases (float32, a block)

A block is one byte (0: as it is; 1: zstandard) and the data; a compressed one has its length first
(LEB128). The description says what the observation, the operations and the action are and where the
actor comes from. A container such as safetensors would spend more bytes on names and offsets than a
99 % sparse actor has weights; zstandard serves where it makes something smaller.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from sparse_rl import whole_file
from sparse_rl.artifact import index_code
from sparse_rl.artifact.description import (
    DICTIONARY,
    LayerSlot,
    describe,
    graph_of,
    layer_slots,
)
from sparse_rl.artifact.graph import (
    DynamicScale,
    Graph,
    InputScale,
    Layer,
    StaticScale,
    Weights,
    layers,
)

MAGIC = b"SRL"
VERSION = 1
_ALL_WEIGHTS = 255
_MOST_WEIGHTS = 1 << 26
_LONGEST_DESCRIPTION = 1 << 20


class ArtifactError(ValueError):
    """A file that is not a whole, readable packed actor."""


@dataclass(frozen=True)
class Provenance:
    """Where an actor comes from."""

    environment: str = ""
    arm: str = ""
    seed: int | None = None
    config_digest: str = ""
    measured_return: float | None = None


@dataclass(frozen=True, eq=False)
class PackedActor:
    """What a packed file holds; `unit` is the integer path's (see fixed_point), if it was
    calibrated.
    """

    graph: Graph
    provenance: Provenance = field(default_factory=Provenance)
    unit: float | None = None


def save(path: Path, actor: PackedActor) -> int:
    """Write a packed file, whole or not at all; returns its size in bytes."""
    data = to_bytes(actor)
    whole_file.write_bytes(path, data)
    return len(data)


def load(path: Path) -> PackedActor:
    """Read a packed file; raises ArtifactError, naming the file, if it is damaged or something
    else.
    """
    try:
        return from_bytes(Path(path).read_bytes())
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None


def to_bytes(actor: PackedActor) -> bytes:
    """The packed file's content."""
    about = {
        key: value for key, value in asdict(actor.provenance).items() if value not in ("", None)
    }
    if actor.unit is not None:
        about["unit"] = int(np.log2(actor.unit))
    text = json.dumps([describe(actor.graph), about], separators=(",", ":")).encode()
    description = _compressor().compress(text)
    body = _varint(len(description)) + description
    body += b"".join(_layer_bytes(layer) for layer in layers(actor.graph.operations))
    return MAGIC + bytes([VERSION]) + zlib.crc32(body).to_bytes(4, "little") + body


def from_bytes(data: bytes) -> PackedActor:
    """The actor in a packed file's content; raises ArtifactError if it is damaged or something
    else.
    """
    if data[:3] != MAGIC:
        raise ArtifactError("not a packed actor (it does not begin with SRL)")
    if len(data) < 9:
        raise ArtifactError("damaged: it ends early")
    if data[3] != VERSION:
        raise ArtifactError(f"version {data[3]}: this library reads version {VERSION}")
    if zlib.crc32(data[8:]) != int.from_bytes(data[4:8], "little"):
        raise ArtifactError("damaged: the checksum does not fit")
    try:
        return _parse(_Reader(data[8:]))
    except ArtifactError:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        RecursionError,
        AttributeError,
        zstandard.ZstdError,
        MemoryError,
    ) as error:
        raise ArtifactError(
            f"damaged: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None


def entropy_bound(graph: Graph) -> float:
    """Bytes: index entropy + 8 (or 32) bits per surviving weight + 32 bits per bias, over all
    layers.
    """
    bits = 0.0
    for layer in layers(graph.operations):
        values = layer.weights.values
        bits += index_code.entropy_bits(values.size, layer.weights.nonzero)
        bits += 8 * values.itemsize * layer.weights.nonzero + 32 * layer.bias.size
    return bits / 8


def dense_float32_bytes(graph: Graph) -> int:
    """Bytes of all weights and biases as float32, zeros included."""
    return 4 * sum(
        layer.weights.values.size + layer.bias.size for layer in layers(graph.operations)
    )


def _layer_bytes(layer: Layer) -> bytes:
    values = layer.weights.values
    flat = values.ravel()
    positions = np.flatnonzero(flat)
    parameter, code = index_code.encode(positions)
    if len(code) + len(positions) * values.itemsize >= values.nbytes:
        parameter, code, positions = _ALL_WEIGHTS, b"", np.arange(flat.size)
    little = values.dtype.newbyteorder("<")
    parts = [
        _varint(len(positions)),
        bytes([parameter]),
        code,
        _block(flat[positions].astype(little).tobytes()),
    ]
    if layer.weights.scale is not None:
        parts.append(layer.weights.scale.astype("<f4").tobytes())
    if isinstance(layer.input_scale, StaticScale):
        parts.append(np.array(layer.input_scale.scale, "<f4").tobytes())
    elif isinstance(layer.input_scale, DynamicScale) and layer.input_scale.floor:
        parts.append(np.array(layer.input_scale.floor, "<f4").tobytes())
    parts.append(_block(layer.bias.astype("<f4").tobytes()))
    return b"".join(parts)


class _Reader:
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
        data = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS).decompress(
            self.take(self.varint()), max_output_size=size
        )
        if len(data) != size:
            raise ValueError(f"a block of {len(data)} bytes, expected {size}")
        return data

    def floats(self, count: int) -> NDArray[np.float32]:
        values = np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError("a number is not finite")
        return values


def _parse(reader: _Reader) -> PackedActor:
    compressed = reader.take(reader.varint())
    text = _decompressor().decompress(compressed, max_output_size=_LONGEST_DESCRIPTION)
    description, about = json.loads(text)
    slots = layer_slots(description)
    if sum(int(np.prod(slot.shape, dtype=object)) for slot in slots) > _MOST_WEIGHTS:
        raise ValueError("it claims more weights than any actor has")
    contents = [_read_layer(reader, slot) for slot in slots]
    if reader.position != len(reader.data):
        raise ValueError("bytes are left over")
    unit = about.pop("unit", None)
    if unit is not None and not -60 <= unit <= 60:
        raise ValueError(f"unit 2^{unit}")
    provenance = Provenance(**about)
    return PackedActor(
        graph_of(description, contents), provenance, None if unit is None else 2.0**unit
    )


def _read_layer(
    reader: _Reader, slot: LayerSlot
) -> tuple[Weights, InputScale, NDArray[np.float32]]:
    dtype = np.dtype(np.int8) if slot.integer else np.dtype("<f4")
    values = _read_values(reader, slot.shape, dtype)
    scale = reader.floats(slot.shape[-1] if slot.per_channel else 1) if slot.integer else None
    if scale is not None and (scale <= 0).any():
        raise ValueError("a weight scale is not positive")
    input_scale = _read_input(reader, slot.input)
    bias = np.frombuffer(reader.block(4 * slot.shape[-1]), "<f4").astype(np.float32)
    if not np.isfinite(bias).all():
        raise ValueError("a bias is not finite")
    return Weights(values, scale), input_scale, bias


def _read_values(reader: _Reader, shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
    size = int(np.prod(shape))
    count, parameter = reader.varint(), reader.take(1)[0]
    if count > size or (parameter == _ALL_WEIGHTS and count != size):
        raise ValueError(f"{count} weights in a layer of {size}")
    values = np.zeros(size, dtype.newbyteorder("="))
    if parameter == _ALL_WEIGHTS:
        positions: Any = slice(None)
    else:
        if parameter > index_code.LARGEST_PARAMETER:
            raise ValueError(f"Rice parameter {parameter}")
        positions, used = index_code.decode(reader.data[reader.position :], count, parameter, size)
        reader.take(used)
    values[positions] = np.frombuffer(reader.block(count * dtype.itemsize), dtype)
    if not np.isfinite(values).all():
        raise ValueError("a weight is not finite")
    return values.reshape(shape)


def _read_input(reader: _Reader, kind: str) -> InputScale:
    if kind == "float":
        return None
    if kind == "static":
        return StaticScale(float(reader.floats(1)[0]))
    return DynamicScale(float(reader.floats(1)[0]) if kind == "floor" else 0.0)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _block(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False, write_checksum=False
    )
    compressed = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    smaller = b"\x01" + _varint(len(compressed)) + compressed
    return smaller if len(smaller) < len(data) + 1 else b"\x00" + data


def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(DICTIONARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _compressor() -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary())


def _decompressor() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(
        format=zstandard.FORMAT_ZSTD1_MAGICLESS, dict_data=_dictionary()
    )
