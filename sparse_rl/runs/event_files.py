"""TensorBoard event files from metrics: one TensorBoard run for each variant and seed.

The files are appended to directly, without tensorboardX's writers, which hold a thread and an
open file for each run: a population has hundreds of them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from sparse_rl import atomic_file
from sparse_rl.runs.layout import FINAL
from sparse_rl.runs.metrics import by_member
from sparse_rl.runs.variant import DENSE, Variant

FILE_NAME = "events.out.tfevents.0.sparse_rl"
Member = tuple[str, int]
SHARED = ("prefill", "dense")
"""The phases that all variants of a seed have in common, where they have them."""


def write_event_files(
    metrics: pd.DataFrame, variants: Mapping[str, Variant], directory: str | Path
) -> list[Path]:
    """Write <directory>/<variant>/seed-<seed>/events.out.tfevents.* anew, and return the files.

    Every metric is a scalar under its own name, at its step; those of the last evaluation, which
    has episodes of its own, under "final/" and the name. A member's curves begin with those of
    the members that it continues: the dense phase, and for int8 the training in float32.
    """
    members, files = grouped(metrics), []
    for (variant, seed), rows in members.items():
        file = Path(directory) / variant / f"seed-{seed}" / FILE_NAME
        file.parent.mkdir(parents=True, exist_ok=True)
        before = history(members, variants, variant, seed)
        atomic_file.write_bytes(file, file_header() + _records(before) + _records(rows))
        files.append(file)
    return files


def append_events(
    metrics: pd.DataFrame,
    variants: Mapping[str, Variant],
    directory: str | Path,
    before: Callable[[], pd.DataFrame],
) -> list[Path]:
    """Append new rows of metrics to the event files, which are made where they do not exist.

    For use during training: each call opens and closes its files, nothing is kept between
    calls, and a resumed run continues the same files. `before` is asked for all metrics so far
    where a file is new.
    """
    new, files = grouped(metrics), []
    known: dict[Member, pd.DataFrame] | None = None
    for (variant, seed), rows in new.items():
        file = Path(directory) / variant / f"seed-{seed}" / FILE_NAME
        file.parent.mkdir(parents=True, exist_ok=True)
        start = b""
        if not file.exists():
            known = grouped(before()) if known is None else known
            start = file_header() + _records(history({**new, **known}, variants, variant, seed))
        with file.open("ab") as stream:
            stream.write(start + _records(rows))
        files.append(file)
    return files


def grouped(metrics: pd.DataFrame) -> dict[Member, pd.DataFrame]:
    """The rows of each member, by its variant's name and its seed."""
    return {(variant, seed): rows for variant, seed, rows in by_member(metrics)}


def history(
    members: Mapping[Member, pd.DataFrame],
    variants: Mapping[str, Variant],
    name: str,
    seed: int,
) -> pd.DataFrame:
    """The rows of the members that this one continues, up to its own first step."""
    variant, own = variants[name], members[name, seed]
    is_quantized = variant != variant.in_float32
    parent = (variant.in_float32 if is_quantized else DENSE).name
    if parent == name or (parent, seed) not in members:
        return own[:0]
    before = members[parent, seed]
    shared = before["phase"] != FINAL if is_quantized else before["phase"].isin(SHARED)
    rows = before[shared & (before["step"] < own["step"].min())]
    return pd.concat([history(members, variants, parent, seed), rows])


def _tag(phase: str, metric: str) -> str:
    return f"{FINAL}/{metric}" if phase == FINAL else metric


def file_header() -> bytes:
    """The first record of an event file."""
    return record(Event(wall_time=time.time(), file_version="brain.Event:2"))


def _records(rows: pd.DataFrame) -> bytes:
    now = time.time()
    tags = map(_tag, rows["phase"], rows["metric"])
    scalars = zip(rows["step"], tags, rows["value"], strict=True)
    return b"".join(
        record(
            Event(
                wall_time=now,
                step=int(step),
                summary=Summary(value=[Summary.Value(tag=tag, simple_value=float(value))]),
            )
        )
        for step, tag, value in scalars
    )


def record(event: Event) -> bytes:
    """One TFRecord: length, its checksum, the data, their checksum; little-endian."""
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]
