"""The outer loop: phases and chunks, and between them evaluation, records and checkpoints.

Everything here is plain Python that owns time and disk; all learning happens in the compiled
programs of `population`. How a phase is cut into chunks follows the clock on the wall, and changes
no result: the sums that are logged live in the population's state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from sparse_rl import population
from sparse_rl.architecture import policy_network
from sparse_rl.checkpoints.checkpoint import Checkpoints, Interval, Position
from sparse_rl.checkpoints.tensor_file import Corrupt
from sparse_rl.config.experiment import Config
from sparse_rl.machine import devices
from sparse_rl.machine.interruption import Interrupted, Interruption, watch
from sparse_rl.population import Population
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.study import evaluation, memory
from sparse_rl.study.measurement import Metrics, measure, of_the_end, returns_of
from sparse_rl.study.phases import Phase, parents
from sparse_rl.study.preparation import Study, prepare
from sparse_rl.study.progress import Progress, Silent
from sparse_rl.study.recording import Recorder, command_line, rows_of

CHUNK_SECONDS = 1.0
"""How long the compiled program may run before the outer loop looks up."""
FIRST_CHUNK = 10
"""Iterations of a phase's first chunk, by which its speed becomes known."""


class Journey(NamedTuple):
    """Where a study is: the phase's index, its members, and ends that later phases go on from."""

    phase: int
    state: Population
    ends: dict[int, Population]


@dataclass(frozen=True)
class Session:
    """What the outer loop works with, from the start of this process to its end."""

    study: Study
    recorder: Recorder
    checkpoints: Checkpoints
    interval: Interval
    progress: Progress
    interruption: Interruption


def train(config: Config, progress: Progress | None = None) -> Run:
    """Runs a whole study, or goes on with one, and returns what is in its run directory.

    Raises `ConfigError`, one line, where it cannot start or the disk refuses; `Interrupted` after
    Ctrl-C or SIGTERM, once a checkpoint is written.
    """
    progress = progress if progress is not None and devices.is_first() else Silent()
    study = prepare(config)
    recorder = Recorder(Path(config.resume or config.out or default_directory(config)))
    if config.resume and recorder.is_finished:
        progress.warn(f"{recorder.path} is finished: there is nothing to go on with")
        return Run(recorder.path)
    sizes = [len(phase.members) for phase in study.phases]
    checkpoints = Checkpoints(
        recorder.path / "checkpoints", config.checkpoint, config.digest(), sizes
    )
    with recorder, watch(progress.interrupted) as interruption:
        interval = Interval(config.checkpoint)
        session = Session(study, recorder, checkpoints, interval, progress, interruption)
        progress.start(config, study.phases, recorder.path, study.mesh.devices.size)
        memory.require(study, progress.say)
        if config.resume:
            recorder.reopen(config, command_line())
            journey = resume(session)
        else:
            network = policy_network(config.network, study.environment.spec)
            recorder.create(config, command_line(), network, study.phases)
            journey = begin(session)
        interval.restart(steps_done(study, journey))
        while True:
            phase = study.phases[journey.phase]
            journey = run_phase(session, journey)
            if phase.end >= config.training.steps:
                finish(session, phase, journey.state)
            if journey.phase + 1 == len(study.phases):
                break
            journey = enter_next(study, journey)
        run = Run(recorder.path)
        if devices.is_first():
            recorder.write_text(layout.SUMMARY, run.summary_text())
        checkpoints.clear()
        devices.agree(0)
    progress.finish(run)
    return run


def default_directory(config: Config) -> str:
    name = config.environment.split("?")[0].replace("/", "-")
    now = time.localtime(devices.agree(time.time()))
    return f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S', now)}"


def begin(session: Session) -> Journey:
    """All members of the first phase before their first step."""
    return Journey(0, session.study.fresh(session.study.phases[0]), {})


def resume(session: Session) -> Journey:
    """The newest checkpoint that is whole; from the beginning where there is none.

    metrics.csv is cut back to what it was then: what follows is written again, the same.
    """
    study, checkpoints, recorder = session.study, session.checkpoints, session.recorder
    for folder in checkpoints.newest_first():
        try:
            manifest = checkpoints.manifest(folder)
            recorder.cut_back(manifest.position.metrics_bytes)
            index = manifest.position.phase
            state = load(session, folder, index)
            ends = {end: load(session, checkpoints.end(end), end) for end in manifest.ends}
        except Corrupt as error:
            session.progress.warn(
                f"checkpoint {folder.name}: {error}; going back to the one before it"
            )
            checkpoints.set_aside(folder)
            continue
        session.progress.resumed(study.phases, index, int(state.clock))
        return Journey(index, state, ends)
    session.progress.warn(f"{recorder.path} has no checkpoint: beginning again")
    recorder.cut_back(None)
    return begin(session)


def load(session: Session, folder: Path, index: int) -> Population:
    """One stored population; its rings are refilled if they were left out."""
    study = session.study
    phase = study.phases[index]
    state, has_rings = session.checkpoints.load(folder, study.shapes(phase), study.mesh)
    if has_rings:
        return state
    lost = min(int(state.clock), study.config.replay.capacity)
    session.progress.warn(
        f"{folder} has no rings (checkpoint.replay none): the last {lost:,} steps of every member "
        f"are lost, and taken again by its present policy; results differ from here on"
    )
    return population.refill(study.program(phase), study.mesh, state)


def enter_next(study: Study, journey: Journey) -> Journey:
    """The start of the next phase: forked if its members are not those that it goes on from."""
    index = journey.phase + 1
    ends = journey.ends | {journey.phase: journey.state}
    needed = {phase.after for phase in study.phases[index + 1 :]}
    phase = study.phases[index]
    state, before = ends[phase.after], study.pad(study.phases[phase.after].members)
    wanted = study.pad(phase.members)
    if wanted != before:
        state = population.fork(state, parents(before, wanted), study.mesh)
        state = population.with_pruned(state, study.pruned(wanted), study.mesh)
    elif phase.after in needed:
        state = jax.tree.map(jax.numpy.copy, state)
    return Journey(index, state, {end: ends[end] for end in ends if end in needed})


def run_phase(session: Session, journey: Journey) -> Journey:
    """Compiles the phase's program once and runs it to the phase's end."""
    study, progress, state = session.study, session.progress, journey.state
    config, phase = study.config, study.phases[journey.phase]
    program = study.program(phase)
    per_iteration = 1 if phase.name == "prefill" else config.training.train_frequency
    make = population.collect_chunk if phase.name == "prefill" else population.train_chunk
    progress.phase(phase)
    pause(session, journey)
    clock, seconds_per_step = int(state.clock), None
    if clock < phase.end:
        started = time.perf_counter()
        chunk = make(program, study.mesh).lower(state, np.int32(0)).compile()
        progress.compiled(phase, time.perf_counter() - started)
    evaluate = evaluation.evaluator(
        program.agent, study.evaluation_environment, study.mesh, config.evaluation.episodes
    )
    while clock < phase.end:
        stop = next_stop(clock, phase, config.evaluation.every)
        steps = FIRST_CHUNK * per_iteration
        if seconds_per_step is not None:
            quick = int(CHUNK_SECONDS / seconds_per_step) // per_iteration * per_iteration
            steps = max(quick, per_iteration)
        steps = min(steps, stop - clock)
        started = time.perf_counter()
        state = jax.block_until_ready(chunk(state, np.int32(steps // per_iteration)))
        seconds = time.perf_counter() - started
        seconds_per_step = devices.agree(seconds / steps)
        clock += steps
        progress.advance(phase, clock, steps, seconds)
        if clock == stop:
            state = population.with_failures(state)
            metrics = measure(study, state)
            if phase.name != "prefill":
                metrics |= returns_of(evaluate, state)
            state = population.with_empty_tally(state)
            record(session, phase, phase.name, clock, metrics)
        journey = journey._replace(state=state)
        pause(session, journey)
    return journey


def next_stop(clock: int, phase: Phase, every: int) -> int:
    """The next step at which to log: a multiple of `every`, or the end of the phase."""
    if phase.name == "prefill":
        return phase.end
    return min((clock // every + 1) * every, phase.end)


def record(session: Session, phase: Phase, name: str, clock: int, metrics: Metrics) -> None:
    session.recorder.append(rows_of(clock, name, phase.members, metrics))
    session.progress.measured(phase, clock, metrics)


def steps_done(study: Study, journey: Journey) -> int:
    """Environment steps of one member since the study began, through all its phases."""
    before = sum(phase.end - phase.begin for phase in study.phases[: journey.phase])
    return before + int(journey.state.clock) - study.phases[journey.phase].begin


def pause(session: Session, journey: Journey) -> None:
    """Writes a checkpoint if one is due, and stops here if somebody wishes so."""
    steps = steps_done(session.study, journey)
    wish = int(devices.agree(session.interruption.signal))
    if devices.agree(wish or session.interval.is_over(steps)):
        clock, length = int(journey.state.clock), session.recorder.metrics_bytes()
        position = Position(journey.phase, clock, length)
        saved = session.checkpoints.save(position, journey.state, journey.ends)
        session.progress.saved(saved)
        session.interval.restart(steps)
    if wish:
        raise Interrupted(wish, f"python -m sparse_rl.train --resume {session.recorder.path}")


def finish(session: Session, phase: Phase, state: Population) -> None:
    """The last evaluation of the phase's arms; their policies go to disk."""
    study = session.study
    session.progress.final_evaluation(phase)
    evaluate = evaluation.evaluator(
        study.agent(phase),
        study.evaluation_environment,
        study.mesh,
        study.config.evaluation.final_episodes,
    )
    metrics = of_the_end(measure(study, state) | returns_of(evaluate, state))
    record(session, phase, "final", phase.end, metrics)
    policy = devices.to_host(state.members.agent.policy)
    for variant in dict.fromkeys(member.variant for member in phase.members):
        mine = np.array([i for i, member in enumerate(phase.members) if member.variant == variant])
        params, masks = jax.tree.map(lambda leaf, mine=mine: leaf[mine], policy[:2])
        session.recorder.save_policies(variant.name, params, masks)


__all__ = ["Journey", "Session", "Study", "prepare", "train"]
