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
def run(make_run: MakeRun) -> Run:
    return Run(make_run(seeds=2, levels=(0.0, 0.9)))


def curve(run: Run, variant: str, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard would show of seed 1."""
    (file,) = (run.path / "written" / variant / "seed-1").iterdir()
    return scalars(file, tag)


def rows(metrics: pd.DataFrame, variant: str, *phases: str) -> list[tuple[int, float]]:
    own = metrics.query("seed == 1 and variant == @variant and metric == 'return'")
    own = own[own["phase"].isin(phases)]
    return [
        (int(step), float(np.float32(value)))
        for step, value in zip(own.step, own.value, strict=True)
    ]


def test_one_run_for_each_variant_and_seed(run: Run) -> None:
    files = write_event_files(run.metrics, run.variants, run.path / "written")
    found = sorted(str(file.parent.relative_to(run.path / "written")) for file in files)
    names = ("0", "0-int8", "0.9", "0.9-int8")
    assert found == sorted(f"{name}/seed-{seed}" for name in names for seed in (0, 1))


def test_curves_begin_with_what_a_variant_continues(run: Run) -> None:
    write_event_files(run.metrics, run.variants, run.path / "written")
    metrics = run.metrics
    dense = rows(metrics, "0", "prefill", "dense")
    pruned = rows(metrics, "0.9", "prune", "finetune")
    int8 = rows(metrics, "0.9-int8", "quantize")
    assert dense and pruned and int8
    assert curve(run, "0.9", "return") == dense + pruned
    assert curve(run, "0.9-int8", "return") == dense + pruned + int8
    assert curve(run, "0", "return") == rows(metrics, "0", "prefill", "dense", "prune", "finetune")


def test_the_last_evaluation_has_a_name_of_its_own(run: Run) -> None:
    write_event_files(run.metrics, run.variants, run.path / "written")
    assert curve(run, "0.9-int8", "final/return") == rows(run.metrics, "0.9-int8", "final")


def test_appending_in_pieces_gives_the_same_events(run: Run, tmp_path: Path) -> None:
    metrics, variants = run.metrics, run.variants
    write_event_files(metrics, variants, tmp_path / "whole")
    for piece in np.array_split(np.arange(len(metrics)), 5):
        so_far = metrics.iloc[: piece[-1] + 1]
        append_events(metrics.iloc[piece], variants, tmp_path / "pieces", lambda m=so_far: m)
    for file in (tmp_path / "whole").rglob("events*"):
        other = tmp_path / "pieces" / file.relative_to(tmp_path / "whole")
        for tag in [*metrics.metric.unique(), "final/return"]:
            assert scalars(file, tag) == scalars(other, tag)


def test_writing_again_replaces(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        files = write_event_files(run.metrics, run.variants, tmp_path)
    assert len(read_events(files[0])) == 1 + len(run.metrics.query("variant == '0' and seed == 0"))
    assert not list(tmp_path.rglob("*.part"))
