"""manifest.json of a checkpoint: what it holds, of which experiment, with checksums."""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from sparse_rl.checkpoints.tensor_file import CorruptFileError, Stored

FORMAT = 2
FILE = "manifest.json"


class Position(NamedTuple):
    """How far a study is: the phase's index in the plan, the clock, the length of metrics.csv."""

    phase: int
    clock: int
    metrics_bytes: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a checkpoint holds. `files` are those of one kind, in the order of their members."""

    experiment: str
    position: Position
    members: int
    replay: str
    ends: tuple[int, ...]
    files: dict[str, list[tuple[str, Stored]]]


def write(path: Path, manifest: Manifest) -> None:
    """Writes a manifest and waits until the disk has it. Raises OSError."""
    content = json.dumps(dataclasses.asdict(manifest))
    text = json.dumps({"format": FORMAT, "crc32": zlib.crc32(content.encode()), "content": content})
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Manifest:
    """The manifest in a file. Raises `CorruptFileError`."""
    try:
        outer = json.loads(path.read_text())
        if outer["format"] != FORMAT:
            raise CorruptFileError(f"{path}: format {outer['format']} instead of {FORMAT}")
        if zlib.crc32(outer["content"].encode()) != outer["crc32"]:
            raise CorruptFileError(f"{path}: checksum does not fit")
        fields = json.loads(outer["content"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, CorruptFileError):
            raise
        raise CorruptFileError(f"{path}: cannot be read") from None
    return Manifest(
        experiment=fields["experiment"],
        position=Position(*fields["position"]),
        members=fields["members"],
        replay=fields["replay"],
        ends=tuple(fields["ends"]),
        files={
            kind: [(name, Stored(*stored)) for name, stored in files]
            for kind, files in fields["files"].items()
        },
    )
