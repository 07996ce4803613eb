"""TensorBoard event files from metrics: one TensorBoard run for each variant and seed.

The files are appended to directly, without tensorboardX's writers, which hold a thread and an
open file for each run: a population has hundreds of them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from sparse_rl import atomic_file
from sparse_rl.runs.metrics import by_member

FILE_NAME = "events.out.tfevents.0.sparse_rl"


def write_event_files(metrics: pd.DataFrame, directory: str | Path) -> list[Path]:
    """Write <directory>/<variant>/seed-<seed>/events.out.tfevents.* anew, and return the files.

    Every metric is a scalar under its own name, at its step; the order is that of the rows. The
    dense phase, which the variants of a seed share, is found under "0".
    """
    files = []
    for file, rows in _by_member(metrics, Path(directory)):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write_bytes(file, _file_header() + _records(rows))
        files.append(file)
    return files


def append_events(metrics: pd.DataFrame, directory: str | Path) -> list[Path]:
    """Append new rows of metrics to the event files, which are made where they do not exist.

    For use during training: each call opens and closes its files, nothing is kept between
    calls, and a resumed run continues the same files.
    """
    files = []
    for file, rows in _by_member(metrics, Path(directory)):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as stream:
            header = b"" if stream.tell() else _file_header()
            stream.write(header + _records(rows))
        files.append(file)
    return files


def _by_member(metrics: pd.DataFrame, directory: Path) -> Iterator[tuple[Path, pd.DataFrame]]:
    for variant, seed, rows in by_member(metrics):
        yield directory / variant / f"seed-{seed}" / FILE_NAME, rows


def _file_header() -> bytes:
    return _record(Event(wall_time=time.time(), file_version="brain.Event:2"))


def _records(rows: pd.DataFrame) -> bytes:
    now = time.time()
    scalars = zip(rows["step"], rows["metric"], rows["value"], strict=True)
    return b"".join(
        _record(
            Event(
                wall_time=now,
                step=int(step),
                summary=Summary(value=[Summary.Value(tag=str(metric), simple_value=float(value))]),
            )
        )
        for step, metric, value in scalars
    )


def _record(event: Event) -> bytes:
    """One TFRecord: length, its checksum, the data, their checksum; little-endian."""
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]
