"""The outer loop: phases and chunks, and between them evaluation, records and checkpoints.

Everything here is plain Python that owns time and disk; all learning happens in the compiled
programs of `population`. How a phase is cut into chunks follows the clock on the wall, and changes
no result: the sums that are logged live in the population's state.
"""

from __future__ import annotations

import time
from pathlib import Path

import jax
import numpy as np

from sparse_rl.checkpoints.checkpoint import Checkpoints
from sparse_rl.checkpoints.interval import Interval
from sparse_rl.config.experiment import Config
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.members import Population
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.runtime import devices
from sparse_rl.runtime.interruption import watch
from sparse_rl.study import evaluation, memory
from sparse_rl.study.continuation import (
    Session,
    StudyState,
    begin,
    enter_next,
    pause,
    resume,
    steps_done,
)
from sparse_rl.study.failures import Failures
from sparse_rl.study.measurement import Metrics, evaluated, final_metrics, measure
from sparse_rl.study.phases import Phase
from sparse_rl.study.preparation import prepare
from sparse_rl.study.progress import Progress, Silent
from sparse_rl.study.recording import Recorder, command_line, rows_of

CHUNK_SECONDS = 1.0
"""How long the compiled program may run before the outer loop looks up."""
FIRST_CHUNK = 10
"""Iterations of a phase's first chunk, by which its speed becomes known."""


def train(config: Config, progress: Progress | None = None) -> Run:
    """Runs a whole study, or continues one, and returns what is in its run directory.

    Raises `ConfigError`, one line, where it cannot start or the disk refuses; `Interrupted` after
    Ctrl-C or SIGTERM, once a checkpoint is written.
    """
    progress = progress if progress is not None and devices.is_first() else Silent()
    study = prepare(config)
    recorder = Recorder(Path(config.resume or config.out or default_directory(config)))
    if config.resume and recorder.is_finished:
        progress.warn(f"{recorder.path} is already finished; nothing to resume")
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
            reached = resume(session)
        else:
            network = study.agent(study.phases[0]).policy_network
            recorder.create(config, command_line(), network, study.phases)
            reached = begin(session)
        interval.restart(steps_done(study, reached))
        while True:
            phase = study.phases[reached.phase]
            reached = run_phase(session, reached)
            if phase.end >= config.training.steps:
                finish(session, phase, reached.state)
            if reached.phase + 1 == len(study.phases):
                break
            reached = enter_next(study, reached)
        run = Run(recorder.path)
        if devices.is_first():
            recorder.write_text(layout.SUMMARY, run.summary_text())
        checkpoints.clear()
        devices.all_max(0)
    progress.finish(run)
    return run


def default_directory(config: Config) -> str:
    name = config.environment.split("?")[0].replace("/", "-")
    now = time.localtime(devices.all_max(time.time()))
    return f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S', now)}"


def run_phase(session: Session, reached: StudyState) -> StudyState:
    """Compiles the phase's program once and runs it to the phase's end."""
    study, progress, state = session.study, session.progress, reached.state
    config, phase = study.config, study.phases[reached.phase]
    program = study.program(phase)
    agent = program.agent
    collects = phase.name == "prefill"
    per_iteration = agent.environments * (1 if collects else agent.steps)
    make = chunks.collect_chunk if collects else chunks.train_chunk
    progress.phase(phase)
    pause(session, reached)
    clock, seconds_per_step = int(state.clock), None
    failures = Failures(phase.members, progress.warn)
    if clock < phase.end:
        if failures.start(state):
            return reached._replace(state=skipped(session, phase, state))
        started = time.perf_counter()
        chunk = make(program, study.mesh).lower(state, np.int32(0)).compile()
        progress.compiled(phase, time.perf_counter() - started)
    evaluate = evaluation.evaluator(
        agent, study.evaluation_environment, study.mesh, config.evaluation.episodes
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
        seconds_per_step = devices.all_max(seconds / steps)
        clock += steps
        progress.advance(phase, clock, steps, seconds)
        nobody_is_left = failures.look(state)
        if clock == stop or nobody_is_left:
            state = population.with_failures(state)
            metrics = (
                measure(study, state)
                if phase.name == "prefill"
                else evaluated(study, agent, evaluate, state, phase.members, progress.warn)
            )
            state = population.with_empty_statistics(state)
            record(session, phase, phase.name, clock, metrics)
        if nobody_is_left:
            return reached._replace(state=skipped(session, phase, state))
        reached = reached._replace(state=state)
        pause(session, reached)
    return reached


def skipped(session: Session, phase: Phase, state: Population) -> Population:
    """The state at the end of a phase in which nobody learns any more."""
    session.progress.warn(f"every member has failed: the rest of {phase.label} is skipped")
    end = jax.device_put(np.int32(phase.end), state.clock.sharding)
    return state._replace(clock=end)


def next_stop(clock: int, phase: Phase, every: int) -> int:
    """The next step at which to log: a multiple of `every`, or the end of the phase."""
    if phase.name == "prefill":
        return phase.end
    return min((clock // every + 1) * every, phase.end)


def record(session: Session, phase: Phase, name: str, clock: int, metrics: Metrics) -> None:
    session.recorder.append(rows_of(clock, name, phase.members, metrics))
    session.progress.measured(phase, clock, metrics)


def finish(session: Session, phase: Phase, state: Population) -> None:
    """The last evaluation of the phase's variants; their policies go to disk."""
    study = session.study
    session.progress.final_evaluation(phase)
    agent = study.agent(phase)
    evaluate = evaluation.evaluator(
        agent,
        study.evaluation_environment,
        study.mesh,
        study.config.evaluation.final_episodes,
    )
    metrics = evaluated(study, agent, evaluate, state, phase.members, session.progress.warn)
    record(session, phase, "final", phase.end, final_metrics(metrics))
    trained = state.members.agent
    policies = devices.to_host((jax.vmap(agent.variables)(trained), trained.policy.masks))
    for variant in dict.fromkeys(member.variant for member in phase.members):
        mine = np.array([i for i, member in enumerate(phase.members) if member.variant == variant])
        variables, masks = jax.tree.map(lambda leaf, mine=mine: leaf[mine], policies)
        session.recorder.save_policies(variant.name, variables, masks)
