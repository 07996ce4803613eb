import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboardX.proto.event_pb2 import Event

from sparse_rl.runs.event_files import append_events, write_event_files
from sparse_rl.runs.run import Run

MakeRun = Callable[..., Path]


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    checksum = crc32c(data)
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(file: Path) -> list[Event]:
    data, position, events = file.read_bytes(), 0, []
    while position < len(data):
        length, checksum = struct.unpack_from("<QI", data, position)
        assert checksum == masked(data[position : position + 8])
        body = data[position + 12 : position + 12 + length]
        assert struct.unpack_from("<I", data, position + 12 + length)[0] == masked(body)
        events.append(Event.FromString(body))
        position += 16 + length
    return events


def scalars(file: Path, tag: str) -> list[tuple[int, float]]:
    first, *events = read_events(file)
    assert first.file_version == "brain.Event:2"
    assert not any(event.file_version for event in events)
    return [
        (event.step, value.simple_value)
        for event in events
        for value in event.summary.value
        if value.tag == tag
    ]


@pytest.fixture
def metrics(make_run: MakeRun) -> pd.DataFrame:
    return Run(make_run(seeds=2, levels=(0.0, 0.9))).metrics


def test_one_run_for_each_variant_and_seed_with_every_value(
    metrics: pd.DataFrame, tmp_path: Path
) -> None:
    files = write_event_files(metrics, tmp_path / "tensorboard")
    found = sorted(str(file.parent.relative_to(tmp_path / "tensorboard")) for file in files)
    names = ("0", "0-int8", "0.9", "0.9-int8")
    assert found == sorted(f"{name}/seed-{seed}" for name in names for seed in (0, 1))
    events = scalars(tmp_path / "tensorboard/0.9-int8/seed-1" / files[0].name, "return")
    rows = metrics.query("seed == 1 and variant == '0.9-int8'")
    rows = rows[rows.metric == "return"]
    assert [step for step, _ in events] == list(rows.step)
    np.testing.assert_allclose([value for _, value in events], rows.value, rtol=1e-6)


def test_appending_in_pieces_gives_the_same_events(metrics: pd.DataFrame, tmp_path: Path) -> None:
    write_event_files(metrics, tmp_path / "whole")
    for piece in np.array_split(np.arange(len(metrics)), 3):
        append_events(metrics.iloc[piece], tmp_path / "pieces")
    for file in (tmp_path / "whole").rglob("events*"):
        other = tmp_path / "pieces" / file.relative_to(tmp_path / "whole")
        for tag in metrics.metric.unique():
            assert scalars(file, tag) == scalars(other, tag)


def test_writing_again_replaces(metrics: pd.DataFrame, tmp_path: Path) -> None:
    for _ in range(2):
        files = write_event_files(metrics, tmp_path)
    assert len(read_events(files[0])) == 1 + len(metrics.query("variant == '0' and seed == 0"))
    assert not list(tmp_path.rglob("*.part"))
