"""manifest.json of a checkpoint: what it holds, of which experiment, with checksums."""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from sparse_rl.checkpoints.tensor_file import CorruptFileError, OtherVersionError, Stored
from sparse_rl.config.error import show

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
    """The manifest in a file.

    Raises `CorruptFileError`, and `OtherVersionError` where it is whole and of another format.
    """
    try:
        outer = json.loads(path.read_text())
        found, content, crc32 = outer["format"], outer["content"], outer["crc32"]
        whole = zlib.crc32(content.encode()) == crc32
        fields = json.loads(content)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        raise CorruptFileError(f"{path}: cannot be read") from None
    if not whole:
        raise CorruptFileError(f"{path}: checksum does not fit")
    if found != FORMAT:
        raise OtherVersionError(f"{path}: format {show(found)} instead of {FORMAT}")
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
