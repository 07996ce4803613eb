"""Where a study is: how it begins, resumes, enters its next phase, and pauses for a checkpoint."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from sparse_rl.agents.agent import Competes
from sparse_rl.checkpoints import manifest as manifests
from sparse_rl.checkpoints.checkpoint import Checkpoints
from sparse_rl.checkpoints.interval import Interval
from sparse_rl.checkpoints.manifest import Position
from sparse_rl.checkpoints.tensor_file import CorruptFileError, OtherVersionError
from sparse_rl.config.error import ConfigError
from sparse_rl.population import chunks, forks
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.runs import layout
from sparse_rl.runs.variant import DENSE
from sparse_rl.runtime import devices
from sparse_rl.runtime.interruption import Interrupted, Interruption
from sparse_rl.study import random_play
from sparse_rl.study.phases import Phase, donors, parents
from sparse_rl.study.preparation import Study
from sparse_rl.study.progress.events import Progress
from sparse_rl.study.recording import Recorder, rows_of
from sparse_rl.study.versions import command_line
from sparse_rl.units import in_bytes


class StudyState(NamedTuple):
    """Where a study is: the phase's index, its members, ends that later phases need."""

    phase: int
    state: Cohorts
    ends: dict[int, Cohorts]


@dataclass(frozen=True)
class Session:
    """What the outer loop works with, from the start of this process to its end."""

    study: Study
    recorder: Recorder
    checkpoints: Checkpoints
    interval: Interval
    progress: Progress
    interruption: Interruption


def create(session: Session) -> StudyState:
    """The run directory, and the study before its first step.

    Raises `ConfigError`, one line, where members of another run are to go on and cannot be read;
    then there is no directory yet.
    """
    study, state = session.study, given(session)
    network = study.agent(study.phases[0]).policy_network
    session.recorder.create(study.config, command_line(), network, study.phases)
    return begin(session, state)


def begin(session: Session, state: Cohorts | None) -> StudyState:
    """All members of the first phase before their first step here; new ones if none are given.

    Where none takes random steps, the return of acting at random is recorded.
    """
    study, first = session.study, session.study.phases[0]
    if state is None:
        state = study.fresh(first)
    if not any(phase.name == layout.PREFILL for phase in study.phases):
        metrics = {"return": random_play.random_returns(study, first)}
        session.recorder.append(rows_of(0, layout.PREFILL, first.members, metrics))
    return StudyState(0, state, {})


def given(session: Session) -> Cohorts | None:
    """The dense members that another run has kept, as the first phase's; None where new ones are.

    Raises `ConfigError`, one line, where they cannot be read.
    """
    found = kept(session.study)
    if found is None:
        return None
    state, has_memory = found
    folder = Path(session.study.config.start.run) / layout.DENSE
    return state if has_memory else refilled(session, session.study.phases[0], folder, state)


def kept(study: Study) -> tuple[Cohorts, bool] | None:
    """The dense members that another run has kept, and whether with their memory; None without one.

    Raises `ConfigError`, one line, where they cannot be read.
    """
    start, first = study.config.start, study.phases[0]
    if not start.run:
        return None
    folder = Path(start.run) / layout.DENSE
    store = Checkpoints(folder, study.config.checkpoint, start.experiment, ())
    try:
        found = manifests.read(folder / manifests.FILE)
        if (found.experiment, found.position.clock) != (start.experiment, start.step):
            raise ConfigError(
                f"start.run: {folder} is of experiment {found.experiment} at step "
                f"{found.position.clock}; allowed: {start.experiment} at step {start.step}"
            )
        return store.load(folder, study.shapes(first), len(first.members), study.mesh)
    except CorruptFileError as error:
        raise ConfigError(f"start.run: {error}; allowed: as training wrote it") from None
    except OtherVersionError as error:
        raise ConfigError(
            f"start.run: {error}; allowed: members of the same networks and memory"
        ) from None


def resume(session: Session) -> StudyState:
    """The newest checkpoint that is whole; from the beginning where there is none.

    metrics.csv is cut back to what it was then: what follows is written again, the same. Raises
    `ConfigError`, one line, where a checkpoint is whole and of another version of the software,
    which can go on: everything stays as it is.
    """
    study, checkpoints, recorder = session.study, session.checkpoints, session.recorder
    for folder in checkpoints.newest_first():
        try:
            manifest = checkpoints.manifest(folder)
            index = manifest.position.phase
            state = load(session, folder, index)
            ends = {end: load_end(session, end) for end in manifest.ends}
            recorder.cut_back(manifest.position.metrics_bytes)
        except OtherVersionError as error:
            raise ConfigError(
                f"resume: {error}; allowed: checkpoints of this version; the one that wrote "
                f"{folder} can finish the run"
            ) from None
        except CorruptFileError as error:
            session.progress.warn(f"checkpoint {folder.name}: {error}; using the one before it")
            checkpoints.set_aside(folder)
            continue
        session.progress.resumed(study.phases, index, int(state.clock))
        if study.config.checkpoint.keep_dense and not _dense_ends_in(study.phases[index:], study):
            session.progress.warn(
                "checkpoint.keep_dense: found after the end of the dense members; none are kept"
            )
        return StudyState(index, state, ends)
    session.progress.warn(f"{recorder.path} has no checkpoint: starting from the beginning")
    dense = given(session)  # before anything is removed: it may be refused
    recorder.cut_back(None)
    return begin(session, dense)


def _dense_ends_in(phases: Sequence[Phase], study: Study) -> bool:
    """Whether dense members in float32 come to their end in one of these phases."""
    return any(
        phase.end >= study.config.training.steps and member.variant == DENSE
        for phase in phases
        for member in phase.members
    )


def load_end(session: Session, end: int) -> Cohorts:
    """The end of a phase; set aside where it is corrupt, so that it is written anew."""
    folder = session.checkpoints.end(end)
    try:
        return load(session, folder, end)
    except CorruptFileError:
        session.checkpoints.set_aside(folder)
        raise


def load(session: Session, folder: Path, index: int) -> Cohorts:
    """One stored population of a phase, whole."""
    study = session.study
    phase = study.phases[index]
    state, has_memory = session.checkpoints.load(
        folder, study.shapes(phase), len(phase.members), study.mesh
    )
    return state if has_memory else refilled(session, phase, folder, state)


def refilled(session: Session, phase: Phase, folder: Path, state: Cohorts) -> Cohorts:
    """The population in `folder`, whose memory was left out, with another one."""
    program = session.study.program(phase)
    lost = min(int(state.clock), program.agent.memory_steps)
    session.progress.warn(
        f"{folder} has no replay (checkpoint.replay none): the last {lost:,} steps of every member "
        f"are missing, and are taken again by its present policy; results differ from here on"
    )
    return state.each(lambda part: chunks.refill(program, session.study.mesh, part))


def enter_next(study: Study, reached: StudyState) -> StudyState:
    """The start of the next phase: forked if its members are not those that it continues from."""
    index = reached.phase + 1
    ends = reached.ends | {reached.phase: reached.state}
    needed = {end for phase in study.phases[index + 1 :] for end in phase.needs}
    phase = study.phases[index]
    if phase.masks_from is not None:
        giving = study.pad(study.phases[phase.masks_from].members)
        chosen = donors(giving, study.pad(phase.members))
        state = forks.with_masks_of(
            study.agent(phase), study.fresh(phase), ends[phase.masks_from], chosen, study.mesh
        )
    elif phase.after is None:
        state = study.fresh(phase)
    else:
        state, before = ends[phase.after], study.pad(study.phases[phase.after].members)
        wanted = study.pad(phase.members)
        if wanted != before:
            state = forks.fork(
                state, parents(before, wanted), study.sizes(phase.members), study.mesh
            )
            counts = study.target_counts(wanted)
            state = forks.with_target_counts(state, counts, study.mesh)
        elif phase.after in needed:
            state = jax.tree.map(jnp.copy, state)
        competed = study.agent(study.phases[phase.after])
        if isinstance(competed, Competes) and not isinstance(study.agent(phase), Competes):
            state = forks.settled(state, competed, study.mesh)
        network = study.program(phase).fixed_scales
        if network is not None:
            state = forks.with_ranges(state, network, study.mesh)
    return StudyState(index, state, {end: ends[end] for end in ends if end in needed})


def steps_done(study: Study, reached: StudyState) -> int:
    """Environment steps of one member since the study began, through all its phases."""
    before = sum(phase.end - phase.begin for phase in study.phases[: reached.phase])
    return before + int(reached.state.clock) - study.phases[reached.phase].begin


def keep_dense(session: Session, reached: StudyState) -> None:
    """Leaves the dense members of a phase, if it has any, in the run directory."""
    members = session.study.phases[reached.phase].members
    dense = [index for index, member in enumerate(members) if member.variant == DENSE]
    if not dense:
        return
    folder = session.recorder.path / layout.DENSE
    position = Position(reached.phase, int(reached.state.clock), 0)
    # A variant's members stand together.
    rows = range(dense[0], dense[-1] + 1)
    saved = session.checkpoints.keep(folder, position, reached.state, rows)
    session.progress.say(
        f"  dense members: {in_bytes(saved.bytes)} in {saved.path}; to continue from them: "
        f"python -m sparse_rl.train {shlex.quote(str(session.recorder.path))} --training.steps MORE"
    )


def pause(session: Session, reached: StudyState) -> None:
    """Writes a checkpoint if one is due, and stops here if somebody wishes so."""
    steps = steps_done(session.study, reached)
    wish = int(devices.all_max(session.interruption.signal))
    if devices.all_max(wish or session.interval.is_over(steps)):
        save(session, reached)
        session.interval.restart(steps)
    if wish:
        directory = shlex.quote(str(session.recorder.path))
        raise Interrupted(wish, f"python -m sparse_rl.train --resume {directory}")


def save(session: Session, reached: StudyState) -> None:
    """Writes a checkpoint."""
    clock, length = int(reached.state.clock), session.recorder.metrics_bytes()
    position = Position(reached.phase, clock, length)
    session.progress.saved(session.checkpoints.save(position, reached.state, reached.ends))


@contextmanager
def leaving_a_checkpoint(session: Session, reached: StudyState) -> Iterator[None]:
    """Where a listener raises an exception, which ends the study, a checkpoint is written first.

    Not with several processes: the others know nothing of it, and a checkpoint needs them all.
    """
    try:
        yield
    except Exception:
        if jax.process_count() == 1:
            save(session, reached)
        raise
