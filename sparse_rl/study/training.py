"""The outer loop: phases and chunks, and between them evaluation, records and checkpoints.

Everything here is plain Python that owns time and disk; all learning happens in the compiled
programs of `population`. How a phase is cut into chunks follows the clock on the wall, and changes
no result: the sums that are logged live in the population's state.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from sparse_rl.checkpoints.checkpoint import Checkpoints
from sparse_rl.checkpoints.interval import Interval
from sparse_rl.config.experiment import Config
from sparse_rl.environment_name import taken_apart
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.executables import executable
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.runtime import devices
from sparse_rl.runtime.interruption import watch
from sparse_rl.study import memory, random_play
from sparse_rl.study.continuation import (
    Session,
    StudyState,
    create,
    enter_next,
    keep_dense,
    leaving_a_checkpoint,
    pause,
    resume,
    steps_done,
)
from sparse_rl.study.evaluations import Evaluations
from sparse_rl.study.failures import Failures
from sparse_rl.study.measurement import final_metrics, losses, measure
from sparse_rl.study.phases import Phase
from sparse_rl.study.preparation import Study, prepare
from sparse_rl.study.progress.evaluation import Metrics, evaluation_of
from sparse_rl.study.progress.events import Progress, Quiet
from sparse_rl.study.reach import too_sparse
from sparse_rl.study.recording import Recorder, rows_of
from sparse_rl.study.versions import command_line

CHUNK_SECONDS = 1.0
"""How long the compiled program may run before the outer loop looks up."""
FIRST_CHUNK = 10
"""Iterations of a phase's first chunk, by which its speed becomes known."""


def train(config: Config, progress: Progress | None = None) -> Run:
    """Runs a whole study, or continues one, and returns what is in its run directory.

    Raises `ConfigError`, one line, where it cannot start or the disk refuses; `Interrupted` after
    Ctrl-C, SIGTERM or SIGHUP, once a checkpoint is written.
    """
    progress = (progress or Quiet()) if devices.is_first() else Progress()
    recorder = Recorder(Path(config.resume or config.out or default_directory(config)))
    if config.resume and recorder.is_finished:
        progress.warn(recorder.finished_already())
        checkpoints_of(recorder, config).clear()  # a process that was killed had no time to
        run = Run(recorder.path)
        if not (recorder.path / layout.SUMMARY).exists():  # somebody has removed it
            recorder.write_text(layout.SUMMARY, run.summary_text())
        return run
    study = prepare(config)
    checkpoints = checkpoints_of(recorder, config, study.phases)
    with recorder, watch(progress.interrupted) as interruption:
        interval = Interval(config.checkpoint)
        session = Session(study, recorder, checkpoints, interval, progress, interruption)
        progress.start(config, study.phases, recorder.path, study.mesh.devices.size)
        memory.require(study, progress.say)
        for line in too_sparse(study):
            progress.warn(line)
        if config.resume:
            recorder.reopen(config, command_line(), study.phases)
            reached = resume(session)
        else:
            reached = create(session)
        interval.restart(steps_done(study, reached))
        while True:
            phase = study.phases[reached.phase]
            if phase.end > phase.begin:
                reached = run_phase(session, reached)
            if phase.end >= config.training.steps:
                finish(session, reached)
            if reached.phase + 1 == len(study.phases):
                break
            reached = enter_next(study, reached)
        run = Run(recorder.path)
        recorder.metrics_bytes()  # all on the disk, before what says that the run is finished
        if devices.is_first():
            recorder.write_text(layout.SUMMARY, run.summary_text())
        checkpoints.clear()
        devices.all_max(0)
    progress.finish(run)
    return run


def checkpoints_of(recorder: Recorder, config: Config, phases: Sequence[Phase] = ()) -> Checkpoints:
    """The checkpoints in the run directory; to write one needs the phases."""
    folder = recorder.path / layout.CHECKPOINTS
    sizes = [len(phase.members) for phase in phases]
    return Checkpoints(folder, config.checkpoint, config.digest(), sizes)


def default_directory(config: Config) -> str:
    name = taken_apart(config.environment).path.replace("/", "-")
    now = time.localtime(devices.all_max(time.time()))
    return f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S', now)}"


def run_phase(session: Session, reached: StudyState) -> StudyState:
    """Compiles the phase's program once and runs it to the phase's end."""
    study, progress, state = session.study, session.progress, reached.state
    config, phase = study.config, study.phases[reached.phase]
    program = study.program(phase)
    agent = program.agent
    collects = phase.acts_at_random
    per_iteration = agent.environments * (1 if collects else agent.steps)
    make = chunks.collect_chunk if collects else chunks.train_chunk
    progress.phase(phase)
    pause(session, reached)
    clock, seconds_per_step = int(state.clock), None
    session.recorder.note_time(phase, clock)
    failures = Failures(phase.members, progress.warn)
    if clock < phase.end:
        if failures.start(state):
            return reached._replace(state=skipped(session, phase, state))
        started = time.perf_counter()
        # The same program for all cohorts of one size.
        programs = [
            executable(make, (program, study.mesh), (part, np.int32(0))) for part in state.parts
        ]
        progress.compiled(phase, time.perf_counter() - started)
    evaluations = Evaluations(study, phase, progress)
    while clock < phase.end:
        stop = next_stop(clock, phase, config)
        steps = FIRST_CHUNK * per_iteration
        if seconds_per_step is not None:
            quick = int(CHUNK_SECONDS / seconds_per_step) // per_iteration * per_iteration
            steps = max(quick, per_iteration)
        steps = min(steps, stop - clock)
        started = time.perf_counter()
        state = state.advanced(programs, steps // per_iteration)
        seconds = time.perf_counter() - started
        seconds_per_step = devices.all_max(seconds / steps)
        clock += steps
        progress.advance(phase, clock, steps, seconds)
        nobody_is_left = failures.look(state)
        if nobody_is_left or (clock == stop and is_evaluated(clock, phase, config)):
            state = state.each(lambda part: population.with_failures(part, agent))
            metrics = at_random(study, phase, state) if collects else evaluations.of(state)
            state = state.each(population.with_empty_statistics)
            session.recorder.append(rows_of(clock, phase.name, phase.members, metrics))
            with leaving_a_checkpoint(session, reached._replace(state=state)):
                progress.measured(phase, evaluation_of(phase, clock, metrics))
        elif clock == stop:
            metrics = losses(measure(study, state))
            state = state.each(population.with_empty_statistics)
            session.recorder.append(rows_of(clock, phase.name, phase.members, metrics))
        if clock == stop:
            session.recorder.note_time(phase, clock)
        if nobody_is_left:
            return reached._replace(state=skipped(session, phase, state))
        reached = reached._replace(state=state)
        pause(session, reached)
    return reached


def skipped(session: Session, phase: Phase, state: Cohorts) -> Cohorts:
    """The state at the end of a phase in which nobody learns any more."""
    session.progress.warn(f"every member has failed: the rest of {phase.label} is skipped")
    return state.at(phase.end)


def next_stop(clock: int, phase: Phase, config: Config) -> int:
    """The next step at which to log or to evaluate; the prefill has none before its end."""
    if phase.acts_at_random:
        return phase.end
    lengths = (config.evaluation.every, config.log_every)
    return min(*((clock // every + 1) * every for every in lengths), phase.end)


def is_evaluated(clock: int, phase: Phase, config: Config) -> bool:
    """Whether it is the phase's end, or a multiple of evaluation.every; else losses are logged."""
    return clock == phase.end or clock % config.evaluation.every == 0


def at_random(study: Study, phase: Phase, state: Cohorts) -> Metrics:
    """What the prefill says of itself, and the return of acting at random where it does not."""
    metrics = measure(study, state)
    if random_play.must_be_played(study, metrics["train_return"]):
        metrics["return"] = random_play.random_returns(study, phase)
    return metrics


def finish(session: Session, reached: StudyState) -> None:
    """The last evaluation of the phase's variants; their policies go to disk."""
    study, state, phase = session.study, reached.state, session.study.phases[reached.phase]
    metrics = final_metrics(Evaluations(study, phase, session.progress, final=True).of(state))
    # Before its rows are recorded, so that a run that is stopped here evaluates once more.
    with leaving_a_checkpoint(session, reached):
        session.progress.measured(phase, evaluation_of(phase, phase.end, metrics, final=True))
    session.recorder.append(rows_of(phase.end, "final", phase.members, metrics))
    if study.config.checkpoint.keep_dense:
        keep_dense(session, reached)
    variables_of = jax.vmap(study.agent(phase).variables)
    policies = state.read(
        lambda part: (variables_of(part.members.agent), part.members.agent.policy.masks)
    )
    for variant in dict.fromkeys(member.variant for member in phase.members):
        mine = np.array([i for i, member in enumerate(phase.members) if member.variant == variant])
        variables, masks = jax.tree.map(lambda leaf, mine=mine: leaf[mine], policies)
        session.recorder.save_policies(variant.name, variables, masks)
