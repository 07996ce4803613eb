"""The packed file (`.srl`): a compressed actor in about as many bytes as its information takes.

    offset  bytes
    0       3      "SRL"
    3       1      version (1; 2 or 3 where something is met that the one before had not)
    4       4      CRC-32 of everything after it, little endian
    8       1-5    length of the description, LEB128
            ...    description: JSON, zstandard frame without magic number, with a fixed dictionary
            ...    the layers in order of execution, each:
                     number of surviving weights n (LEB128), Rice parameter (1 byte, 255: no index
                     because all weights are stored), index code, values (int8 or float32, a block),
                     scales (float32), input scale (float32, if any), biases (float32, a block);
                     or, where scales are powers of two, the exponents of the input's scale and of
                     the unit (a byte each) and biases in whole units (LEB128, the sign lowest)

A layer norm's scale and bias and a normalization's mean and variance are two blocks each, the
exponents of a rescaled observation a byte for each of its elements.

A block is one byte (0: as it is; 1: zstandard) and the data; a compressed one has its length first
(LEB128). The description says what the observation, the operations and the action are and where the
actor comes from. A container such as safetensors would spend more bytes on names and offsets than a
99 % sparse actor has weights; zstandard serves where it makes something smaller.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import zstandard

from sparse_rl import atomic_file
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import (
    Graph,
    Layer,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
)
from sparse_rl.artifact.packed import index_code, layer_bytes
from sparse_rl.artifact.packed.blocks import Reader, compressor, decompressed, decompressor, varint
from sparse_rl.artifact.packed.description import describe, version
from sparse_rl.artifact.packed.description_reading import graph_of, slots_of
from sparse_rl.artifact.packed.limits import LONGEST_DESCRIPTION, LONGEST_NAME, check_weights

MAGIC = b"SRL"
VERSIONS = (1, 2, 3)
_KEYS = {"variant": "arm"}
"""Fields of `Provenance` that have another name in the file."""


class ArtifactError(ValueError):
    """A file that is not a whole, readable packed actor."""


@dataclass(frozen=True)
class Provenance:
    """Where an actor comes from."""

    environment: str = ""
    variant: str = ""
    seed: int | None = None
    config_digest: str = ""
    measured_return: float | None = None


@dataclass(frozen=True, eq=False)
class PackedActor:
    """What a packed file holds."""

    graph: Graph
    provenance: Provenance = field(default_factory=Provenance)


def save(path: Path, actor: PackedActor) -> int:
    """Write a packed file, whole or not at all; returns its size in bytes."""
    data = to_bytes(actor)
    atomic_file.write_bytes(path, data)
    return len(data)


def load(path: Path) -> PackedActor:
    """Read a packed file; raises ArtifactError, naming it, if it is damaged or something else."""
    try:
        return from_bytes(Path(path).read_bytes())
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None


def to_bytes(actor: PackedActor) -> bytes:
    """The packed file's content; raises ValueError for an actor beyond the format's limits."""
    about = {
        _KEYS.get(key, key): value
        for key, value in asdict(actor.provenance).items()
        if value not in ("", None) and not (isinstance(value, float) and not isfinite(value))
    }
    text = json.dumps([describe(actor.graph), about], separators=(",", ":")).encode()
    description = compressor().compress(text)
    body = varint(len(description)) + description
    body += b"".join(layer_bytes.write(step) for step in _with_arrays(actor.graph.operations))
    slots = slots_of(json.loads(text)[0])
    check_weights([slot.shape for slot in slots], len(body) + 8)
    if len(text) > LONGEST_DESCRIPTION:
        raise ValueError(f"a description of {len(text)} bytes; allowed: {LONGEST_DESCRIPTION}")
    data = MAGIC + bytes([version(actor.graph)]) + zlib.crc32(body).to_bytes(4, "little") + body
    try:
        from_bytes(data)  # a small part of the time that compressing takes
    except ArtifactError as error:
        reason = str(error).removeprefix("damaged: ")
        raise ValueError(f"an actor that no reader would take: {reason}") from None
    return data


def from_bytes(data: bytes) -> PackedActor:
    """The actor in a packed file's content; raises ArtifactError if it is damaged or no actor."""
    if data[:3] != MAGIC:
        raise ArtifactError("not a packed actor (it does not begin with SRL)")
    if len(data) < 9:
        raise ArtifactError("damaged: it ends early")
    if data[3] not in VERSIONS:
        raise ArtifactError(f"version {data[3]}: this library reads versions 1 to 3")
    if zlib.crc32(data[8:]) != int.from_bytes(data[4:8], "little"):
        raise ArtifactError("damaged: the checksum does not fit")
    try:
        actor = _parse(Reader(data[8:]))
        if data[3] != version(actor.graph):
            raise ValueError(f"version {data[3]} for what version {version(actor.graph)} says")
        return actor
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
        said = str(error).splitlines()[0] if str(error) else repr(error)
        raise ArtifactError(f"damaged: {said.encode('ascii', 'replace').decode()[:200]}") from None


def entropy_bound(graph: Graph) -> float:
    """Bytes that the information of all layers takes.

    Index entropy + 8 (or 32) bits per surviving weight + 32 bits per bias and per number of a
    normalization; a bias in whole units has as many bits as the file gives it.
    """
    bits = 0.0
    for layer in _with_arrays(graph.operations):
        if isinstance(layer, LayerNorm | Normalize):
            first = layer.scale if isinstance(layer, LayerNorm) else layer.mean
            bits += 64 * first.size
            continue
        if isinstance(layer, Rescale):
            bits += 8 * layer.exponents.size
            continue
        values = layer.weights.values
        bits += index_code.entropy_bits(values.size, layer.weights.nonzero)
        biases = 4 * layer.bias.size
        if (unit := unit_of(layer)) is not None:
            biases = len(layer_bytes.whole_biases(layer.bias, unit))
        bits += 8 * (values.itemsize * layer.weights.nonzero + biases)
    return bits / 8


def _parse(reader: Reader) -> PackedActor:
    compressed = reader.take(reader.varint())
    text = decompressed(compressed, LONGEST_DESCRIPTION, decompressor())
    description, about = json.loads(text)
    slots = slots_of(description)
    check_weights([slot.shape for slot in slots], len(reader.data) + 8)
    contents = [layer_bytes.read(reader, slot) for slot in slots]
    if reader.position != len(reader.data):
        raise ValueError("bytes are left over")
    about.pop("unit", None)  # earlier versions had another arithmetic for fixed scales
    return PackedActor(graph_of(description, contents), _provenance(about))


def _provenance(about: dict[str, Any]) -> Provenance:
    """The provenance in a description, every field of its own type and fit to be shown."""
    kinds: dict[str, Any] = {
        "environment": str,
        "arm": str,
        "seed": int,
        "config_digest": str,
        "measured_return": (int, float),
    }
    for name, value in about.items():
        if name not in kinds or isinstance(value, bool) or not isinstance(value, kinds[name]):
            raise ValueError(f"{ascii(name)[:40]}: found {ascii(value)[:40]}")
        if isinstance(value, str) and not (value.isprintable() and len(value) <= LONGEST_NAME):
            raise ValueError(
                f"{name}: found {len(value)} characters; allowed: {LONGEST_NAME}, all of which can "
                f"be printed"
            )
        if not isinstance(value, str) and not (
            abs(value) < 1 << 63 if name == "seed" else isfinite(value)
        ):
            raise ValueError(f"{name}: not finite, or too large")
    fields = {key: field for field, key in _KEYS.items()}
    return Provenance(**{fields.get(key, key): value for key, value in about.items()})


def _with_arrays(operations: tuple[Operation, ...]) -> Iterator[Any]:
    """The operations that have arrays, in order of execution."""
    for operation in operations:
        if isinstance(operation, Residual):
            yield from _with_arrays(operation.body)
        elif isinstance(operation, Layer | LayerNorm | Normalize | Rescale):
            yield operation
