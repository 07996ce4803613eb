"""Writing a run directory while a study is trained: each file whole, or not at all."""

from __future__ import annotations

import csv
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from numpy.typing import NDArray

from sparse_rl import atomic_file
from sparse_rl.architecture import Network, to_json
from sparse_rl.runs import layout, policies
from sparse_rl.runs.metrics import COLUMNS, Row
from sparse_rl.runs.record import Record, Span, format_of, read_record, read_variants, variants_json
from sparse_rl.runs.variant import Variant

_HEADER = ",".join(COLUMNS) + "\n"


def free(path: Path) -> None:
    """Raises ValueError, one line, where a run in `path` would replace what is there.

    That is another run, or files of somebody else by the names that a run gives its own. Raises
    OSError where no directory could be made.
    """
    atomic_file.check_folder(path)
    if (path / layout.METRICS).exists():
        raise ValueError(
            f"{path} already holds a run; allowed: a new directory, or "
            f"--resume {shlex.quote(str(path))}"
        )
    taken = [name for name in layout.OWN if (path / name).exists()]
    if taken:
        raise ValueError(
            f"{path} holds {', '.join(taken)}, which a run would replace; allowed: a new "
            f"directory, or one without them"
        )


class RunWriter:
    """Owns one run directory while it is being written; one process at a time.

    What the system refuses is an `OSError`, what else is wrong a ValueError of one line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BaseFileLock | None = None
        self._record = Record()

    def claim(self) -> None:
        """Makes the directory, for this process alone; refuses one that is not `free`."""
        free(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._take()

    def begin(
        self,
        config: str,
        versions: str,
        network: Network,
        phases: Iterable[Span],
        variants: Iterable[Variant],
    ) -> None:
        """Writes what is known before the first step: all of it, or nothing."""
        self._record = Record(tuple(phases))
        files = {
            layout.CONFIG: config,
            layout.VERSIONS: versions,
            layout.NETWORK: to_json(network),
            layout.VARIANTS: variants_json(variants),
            layout.RECORD: self._record.to_json(),
            layout.METRICS: _HEADER,
        }
        try:
            for name, text in files.items():
                self.write_text(name, text)
        except BaseException:
            for name in files:  # half a beginning would stand in the way of another
                (self.path / name).unlink(missing_ok=True)
            raise

    def reopen(self, note: str, phases: Iterable[Span], variants: Iterable[Variant]) -> None:
        """Takes the directory of an interrupted run, and adds a line to versions.txt.

        What a process that was killed meanwhile has left half written is removed. Refuses, and
        changes nothing, where the run is not one that stopped within these phases and variants.
        """
        self._take()
        if (self.path / layout.SUMMARY).exists():  # since whoever asked for it has looked
            raise ValueError(f"{self.path} has been finished meanwhile; nothing to resume")
        if not (self.path / layout.METRICS).exists():
            raise ValueError(
                f"{self.path / layout.METRICS}: missing; allowed: as training wrote it, or, where "
                f"it never began, a new directory"
            )
        if format_of(self.path) == 1:
            raise ValueError(
                f"{self.path} was begun by an older version of sparse_rl, which can finish it; "
                f"allowed: a run of format {layout.FORMAT}"
            )
        self._record = read_record(self.path)
        asked = {variant.name: variant for variant in variants}
        if self._record.phases != tuple(phases) or self.variants != asked:
            raise ValueError(
                f"{self.path / layout.CONFIG} now describes other phases or variants than "
                f"{layout.RECORD} and {layout.VARIANTS}; allowed: the configuration it was "
                f"started with"
            )
        for folder in (self.path, self.path / layout.POLICIES):
            atomic_file.remove_parts(folder)
        file = self.path / layout.VERSIONS
        before = file.read_bytes() if file.exists() else b""
        atomic_file.write_bytes(file, before + f"{note}\n".encode())

    def close(self) -> None:
        """Lets others have the directory."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def variants(self) -> dict[str, Variant]:
        """What the run compares, by name."""
        return read_variants(self.path)

    def metrics_bytes(self) -> int:
        """The length of metrics.csv, all of it on the disk."""
        with (self.path / layout.METRICS).open("r+b") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)

    def shorten_metrics(self, length: int | None) -> None:
        """Cuts metrics.csv to `length` bytes, or to its header, and removes the event files."""
        if length is None:
            self.write_text(layout.METRICS, _HEADER)
        else:
            os.truncate(self.path / layout.METRICS, length)
        # Event files may end within a record that nobody could read past.
        shutil.rmtree(self.path / layout.EVENTS, ignore_errors=True)

    def append(self, rows: Iterable[Row]) -> None:
        """Adds rows to metrics.csv."""
        with (self.path / layout.METRICS).open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of the run."""
        atomic_file.write_text(self.path / name, text)

    def save_policies(
        self,
        variant: str,
        params: Mapping[str, NDArray[np.float32]],
        masks: Mapping[str, NDArray[np.bool_]],
    ) -> None:
        """The policies of a variant, stacked over seeds, and their digest in the run's record."""
        file = layout.policy_file(self.path, variant)
        # Made in memory: the library's own writer raises errors that name no file.
        content = policies.to_bytes(params, masks)
        file.parent.mkdir(exist_ok=True)
        atomic_file.write_bytes(file, content)
        self._record = self._record.with_policy(file.name, content)
        self.write_text(layout.RECORD, self._record.to_json())

    def _take(self) -> None:
        """Only one process may write here; the system forgets the lock when it ends, however."""
        lock = FileLock(self.path / layout.LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"another process is writing {self.path}; allowed: one at a time"
            ) from None
        self._lock = lock
