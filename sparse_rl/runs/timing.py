"""timing.csv: when training was where. Not in metrics.csv, which is the same however long it takes.

Beside it an event file of the whole study, in which TensorBoard shows the same times, and the
configuration as text.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import text

from sparse_rl import atomic_file
from sparse_rl.runs import layout
from sparse_rl.runs.event_files import FILE_NAME, file_header, record


class Moment(NamedTuple):
    """One line of timing.csv.

    Attributes:
        time: in seconds since 1970.
        phase: its label, such as "quantize int8".
        step: environment steps of one member so far.
        steps_per_second: of all members together since the line before, evaluations included; nan
            for the first line of a phase.
    """

    time: float
    phase: str
    step: int
    steps_per_second: float


def append(run: Path, moment: Moment, start: float) -> None:
    """Adds a line to timing.csv and a point to the study's event file; `start` is its minute 0."""
    file = run / layout.TIMING
    is_new = not file.exists()
    with file.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if is_new:
            writer.writerow(Moment._fields)
        writer.writerow(_written(moment))
    events = event_file(run)
    if not events.exists():
        write_events(run)
        return
    with events.open("ab") as stream:
        stream.write(_point(moment, start))


def read(run: Path) -> list[Moment]:
    """The lines of timing.csv; none where there is no such file.

    What is no whole line, as after a power cut, is passed over: a run is resumed without it.
    """
    file = run / layout.TIMING
    if not file.exists():
        return []
    lines = file.read_text(errors="replace").splitlines()[1:]
    return [moment for line in lines if (moment := _read(line)) is not None]


def _read(line: str) -> Moment | None:
    try:
        time, phase, step, rate = line.split(",")
        return Moment(float(time), phase, int(step), float(rate or math.nan))
    except ValueError:
        return None


def write_events(run: Path) -> None:
    """The study's event file anew, from timing.csv and config.yaml."""
    moments, file = read(run), event_file(run)
    file.parent.mkdir(parents=True, exist_ok=True)
    config = "".join(f"    {line}\n" for line in (run / layout.CONFIG).read_text().splitlines())
    start = moments[0].time if moments else 0.0
    about = record(Event(wall_time=start, step=0, summary=text("config", config)))
    points: Iterable[bytes] = (_point(moment, start) for moment in moments)
    atomic_file.write_bytes(file, file_header() + about + b"".join(points))


def event_file(run: Path) -> Path:
    """Where TensorBoard finds what concerns all members."""
    return run / layout.EVENTS / "study" / FILE_NAME


def _written(moment: Moment) -> tuple[str, str, int, str]:
    rate = moment.steps_per_second
    return (
        f"{moment.time:.3f}",
        moment.phase,
        moment.step,
        "" if math.isnan(rate) else f"{rate:.1f}",
    )


def _point(moment: Moment, start: float) -> bytes:
    values = {"minutes": (moment.time - start) / 60}
    if not math.isnan(moment.steps_per_second):
        values["steps_per_second"] = moment.steps_per_second
    summary = Summary(
        value=[Summary.Value(tag=f"time/{name}", simple_value=x) for name, x in values.items()]
    )
    return record(Event(wall_time=moment.time, step=moment.step, summary=summary))
