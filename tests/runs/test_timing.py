"""timing.csv and the study's event file, which has the same times and the configuration."""

import math
from pathlib import Path

from sparse_rl.runs import layout, timing
from sparse_rl.runs.timing import Moment
from tests.runs.test_event_files import read_events, scalars

MOMENTS = [
    Moment(1000.0, "prefill", 0, math.nan),
    Moment(1030.0, "prefill", 500, 16.7),
    Moment(1120.5, "quantize int8", 900, math.nan),
]


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / layout.CONFIG).write_text("seeds: 3\n")
    assert timing.read(tmp_path) == []
    for moment in MOMENTS:
        timing.append(tmp_path, moment, 1000.0)
    assert str(timing.read(tmp_path)) == str(MOMENTS)  # as text, because nan is not nan


def test_tensorboard_has_minutes_speed_and_configuration(tmp_path: Path) -> None:
    (tmp_path / layout.CONFIG).write_text("seeds: 3\n")
    for moment in MOMENTS:
        timing.append(tmp_path, moment, 1000.0)
    file = timing.event_file(tmp_path)
    steps, minutes = zip(*scalars(file, "time/minutes"), strict=True)
    assert steps == (0, 500, 900)
    assert [round(each, 4) for each in minutes] == [0, 0.5, round(120.5 / 60, 4)]
    assert [round(rate, 1) for _, rate in scalars(file, "time/steps_per_second")] == [16.7]
    (about,) = (v for event in read_events(file) for v in event.summary.value if "config" in v.tag)
    assert about.metadata.plugin_data.plugin_name == "text"
    assert b"seeds: 3" in about.tensor.string_val[0]
    whole = [event.summary for event in read_events(file)]
    timing.write_events(tmp_path)
    assert [event.summary for event in read_events(file)] == whole


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / layout.CONFIG).write_text("seeds: 3\n")
    timing.append(tmp_path, MOMENTS[0], 1000.0)
    with (tmp_path / layout.TIMING).open("ab") as stream:
        stream.write(b"1010.0,pre\xff\n")
    timing.append(tmp_path, MOMENTS[1], 1000.0)
    assert str(timing.read(tmp_path)) == str(MOMENTS[:2])
    timing.write_events(tmp_path)
    assert len(scalars(timing.event_file(tmp_path), "time/minutes")) == 2
