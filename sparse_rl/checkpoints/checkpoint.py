"""Checkpoints of a run: written whole or not at all, checked when they are read.

    checkpoints/000007/    the newest: manifest.json, members-0.safetensors, memory-0.safetensors
    checkpoints/000006/    the one before it
    checkpoints/end-3/     the end of phase 3, for later phases that continue from it

A directory is written under another name and renamed when the disk has all of it, so what has its
final name is complete.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import jax
from jax.sharding import Mesh

from sparse_rl import atomic_file
from sparse_rl.checkpoints import manifest as manifests
from sparse_rl.checkpoints import population_file
from sparse_rl.checkpoints.manifest import Manifest, Position
from sparse_rl.checkpoints.tensor_file import CorruptFileError, Stored
from sparse_rl.config.error import ConfigError
from sparse_rl.config.sections import CheckpointConfig
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.runtime import devices


class Saved(NamedTuple):
    """What writing a checkpoint took: bytes on disk, seconds."""

    path: Path
    bytes: int
    seconds: float


class Checkpoints:
    """The checkpoints of one run directory.

    Args:
        folder: where they are.
        settings: how many, with or without memories.
        experiment: the configuration's digest: a checkpoint continues no other experiment.
        sizes: the number of members of each phase in the plan.
    """

    def __init__(
        self, folder: Path, settings: CheckpointConfig, experiment: str, sizes: Sequence[int]
    ) -> None:
        self.folder = folder
        self._settings = settings
        self._experiment = experiment
        self._sizes = sizes

    def save(self, position: Position, state: Cohorts, ends: Mapping[int, Cohorts]) -> Saved:
        """Writes a checkpoint; then those go that are too old.

        `ends` are the populations at the end of earlier phases that later ones continue from;
        each is written once. Raises `ConfigError`, one line, where the disk does not take it:
        then the checkpoints before are as they were.
        """
        began = time.perf_counter()
        written = 0
        for phase, end in ends.items():
            folder = self.end(phase)
            if not folder.exists():
                there = position._replace(phase=phase, clock=int(end.clock))
                written += self._write(folder, there, end, (), self._all(phase))
        folder = self.folder / f"{self._last_number() + 1:06d}"
        written += self._write(folder, position, state, tuple(ends), self._all(position.phase))
        if devices.is_first():
            self._remove_old()
        return Saved(folder, written, time.perf_counter() - began)

    def keep(self, folder: Path, position: Position, state: Cohorts, rows: range) -> Saved:
        """Writes those members for good, in a directory of their own; nothing if it is there.

        Raises `ConfigError`, one line, where the disk does not take it.
        """
        began = time.perf_counter()
        written = 0 if folder.exists() else self._write(folder, position, state, (), rows)
        return Saved(folder, written, time.perf_counter() - began)

    def newest_first(self) -> list[Path]:
        """All complete checkpoints."""
        if not self.folder.is_dir():
            return []
        complete = [path for path in self.folder.iterdir() if path.name.isdecimal()]
        return sorted(complete, key=lambda path: int(path.name), reverse=True)

    def end(self, phase: int) -> Path:
        """Where the end of a phase is, if later phases continue from it."""
        return self.folder / f"end-{phase}"

    def manifest(self, folder: Path) -> Manifest:
        """What a checkpoint holds.

        Raises `CorruptFileError` and `OtherVersionError`, and `ConfigError` if it is another
        experiment's.
        """
        manifest = manifests.read(folder / manifests.FILE)
        if manifest.experiment != self._experiment:
            raise ConfigError(
                f"resume: {folder} is of experiment {manifest.experiment}, and config.yaml now "
                f"describes {self._experiment}; allowed: the configuration it was started with"
            )
        return manifest

    def load(
        self, folder: Path, template: Cohorts, members: int, mesh: Mesh
    ) -> tuple[Cohorts, bool]:
        """The first `members` that were stored, and whether they still have their memory.

        `template` gives names and shapes, with the members that fill up the devices of `mesh`;
        these become copies of the first. Without memory, it is empty. Raises `CorruptFileError`,
        and `OtherVersionError` where all is whole and of other members.
        """
        manifest = self.manifest(folder)
        files = {
            kind: [(folder / name, stored) for name, stored in parts]
            for kind, parts in manifest.files.items()
        }
        state = population_file.read(files, template, members, manifest.position.clock, mesh)
        return state, population_file.MEMORY in files

    def set_aside(self, folder: Path) -> None:
        """Gives a corrupt checkpoint, or end, another name: it is neither used nor counted."""
        if devices.is_first():
            aside = folder.with_name(f"{folder.name}.corrupt")
            with contextlib.suppress(OSError):
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(folder, aside)
        devices.all_max(0)

    def clear(self) -> None:
        """Removes all of them: the run is finished."""
        if devices.is_first():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self, phase: int) -> range:
        return range(self._sizes[phase])

    def _last_number(self) -> int:
        return max((int(path.name) for path in self.newest_first()), default=0)

    def _remove_old(self) -> None:
        old = self.newest_first()[self._settings.keep :]
        used: set[int] = set()
        for folder in self.newest_first()[: self._settings.keep]:
            with contextlib.suppress(CorruptFileError):
                used |= set(manifests.read(folder / manifests.FILE).ends)
        old += [
            path
            for path in self.folder.glob("end-*")
            if (end := path.name.removeprefix("end-")).isdecimal() and int(end) not in used
        ]
        for path in old:
            _remove(path)

    def _write(
        self,
        folder: Path,
        position: Position,
        state: Cohorts,
        ends: tuple[int, ...],
        rows: range,
    ) -> int:
        """One directory with those members, all or nothing; returns its bytes."""
        part = folder.with_name(f".{folder.name}.part")
        problem: OSError | None = None
        if devices.is_first():
            try:
                _remove(part)
                part.mkdir(parents=True)
            except OSError as error:
                problem = error
        devices.all_max(0)
        own: dict[str, tuple[str, Stored]] = {}
        try:
            if problem is None:
                own = self._write_members(part, state, rows)
        except OSError as error:
            problem = error
        if devices.all_max(problem is not None):
            self._give_up(part, problem)
        files = {kind: _of_all_processes(name, stored) for kind, (name, stored) in own.items()}
        manifest = Manifest(
            self._experiment,
            position,
            len(rows),
            self._settings.replay,
            ends,
            files,
        )
        if devices.is_first():
            try:
                manifests.write(part / manifests.FILE, manifest)
                os.replace(part, folder)
                atomic_file.sync(folder.parent)
            except OSError as error:
                problem = error
        if devices.all_max(problem is not None):
            self._give_up(part, problem)
        return sum(stored.bytes for kind in files.values() for _, stored in kind)

    def _write_members(
        self, part: Path, state: Cohorts, rows: range
    ) -> dict[str, tuple[str, Stored]]:
        own = f"{jax.process_index()}.safetensors"
        compressed = self._settings.replay == "compressed"
        names = {"members": f"members-{own}"}
        if self._settings.replay != "none":
            names[population_file.MEMORY] = f"memory-{own}{'.zst' * compressed}"
        return {
            kind: (
                name,
                population_file.write(part / name, kind, state, rows, name.endswith(".zst")),
            )
            for kind, name in names.items()
        }

    def _give_up(self, part: Path, problem: OSError | None) -> NoReturn:
        if devices.is_first():
            shutil.rmtree(part, ignore_errors=True)
        reason = problem.strerror if problem is not None else "another process could not write"
        intact = [path.name for path in self.newest_first()[:1]]
        raise ConfigError(
            f"checkpoint: cannot write {part.parent}: {reason}; "
            + (f"checkpoint {intact[0]} is intact" if intact else "there is none yet")
        )


def _of_all_processes(name: str, stored: Stored) -> list[tuple[str, Stored]]:
    return [
        (name.replace(f"-{jax.process_index()}.", f"-{process}."), Stored(int(size), int(crc)))
        for process, (size, crc) in enumerate(devices.all_gather(stored))
    ]


def _remove(folder: Path) -> None:
    """Removes a directory under another name, so that half of it is never taken for the whole."""
    if folder.exists():
        doomed = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        os.replace(folder, doomed)
        shutil.rmtree(doomed)
