"""The outer loop: phases and chunks, and between them evaluation, records and progress.

Everything here is plain Python that owns time and disk; all learning happens in the compiled
programs of `population`. How a phase is cut into chunks follows the clock on the wall, and changes
no result: the sums that are logged live in the population's state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int

from sparse_rl import envs, evaluation, population
from sparse_rl.agents.agent import Agent
from sparse_rl.agents.build import build
from sparse_rl.config import Config, ConfigError
from sparse_rl.devices import choose as choose_devices
from sparse_rl.dot_products import FLOAT32
from sparse_rl.phases import Arm, Member, Phase, parents, plan
from sparse_rl.population import Population, Program
from sparse_rl.progress import Progress, Silent
from sparse_rl.quantization.aqt import dot_products
from sparse_rl.recording import Recorder, Row, command_line, rows_of
from sparse_rl.run import Run
from sparse_rl.sparsity import distributions
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.method import GradualPruning
from sparse_rl.sparsity.schedules import CubicSchedule

CHUNK_SECONDS = 1.0
"""How long the compiled program may run before the outer loop looks up."""


class Study(NamedTuple):
    """What stays the same during a run."""

    config: Config
    environment: envs.VectorEnv
    evaluation_environment: envs.VectorEnv
    mesh: Mesh
    layers: tuple[mask_rules.Layer, ...]

    def agent(self, phase: Phase) -> Agent:
        return build(self.config, self.environment.spec, dot_products(phase.quantization))

    def program(self, phase: Phase) -> Program:
        config = self.config
        pruning = None
        if phase.name == "prune":
            schedule = CubicSchedule(config.prune_begin, config.prune_end, config.sparsity.interval)
            select = (
                mask_rules.prune_globally
                if config.sparsity.distribution == "global"
                else mask_rules.prune_per_layer
            )
            pruning = GradualPruning(schedule, select)
        return Program(
            self.agent(phase),
            self.environment,
            config.replay,
            config.training,
            config.agent.discount,
            pruning,
        )

    def pad(self, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """`members`, with copies of the first at the end, so that they divide the devices."""
        missing = population.padded(len(members), self.mesh) - len(members)
        return members + members[:1] * missing

    def pruned(self, members: tuple[Member, ...]) -> Int[Array, "members layers"]:
        """How many weights of each layer each member's arm loses in the end."""
        name = self.config.sparsity.distribution
        # A global threshold needs the total only; `uniform` gives the right one.
        spread = distributions.PER_LAYER.get(name, distributions.uniform)
        shapes = [layer.shape for layer in self.layers]
        by_level = {
            level: distributions.pruned_counts(shapes, level, spread)
            for level in {member.arm.sparsity for member in members}
        }
        return jnp.asarray(np.stack([by_level[member.arm.sparsity] for member in members]))


def prepare(config: Config) -> Study:
    """Environment, devices and the policy's layers. Raises `ConfigError` before anything compiles."""
    try:
        environment = envs.make(config.environment)
        evaluation_environment = envs.make(config.environment, evaluation=True)
    except ValueError as error:
        raise ConfigError(f"environment: {error}") from None
    agent = build(config, environment.spec, FLOAT32)
    try:
        state = jax.eval_shape(agent.init, jax.random.key(0))
    except ValueError as error:
        raise ConfigError(f"network.torso: {config.network.torso}: {error}") from None
    return Study(
        config,
        environment,
        evaluation_environment,
        population.mesh(choose_devices(config.devices)),
        tuple(mask_rules.layers(state.policy.params)),
    )


def train(config: Config, progress: Progress | None = None) -> Run:
    """Runs a whole study and returns what it left in its run directory.

    Raises `ConfigError`, one line, where it cannot start.
    """
    progress = progress or Silent()
    study = prepare(config)
    recorder = Recorder(Path(config.out or default_directory(config)))
    recorder.create(config, command_line())
    phases = plan(config)
    progress.start(config, phases, recorder.path, study.mesh.devices.size)

    first = study.pad(phases[0].members)
    seeds = jnp.array([member.seed for member in first])
    state = population.init(study.program(phases[0]), study.mesh, seeds, study.pruned(first))
    members, trunk = first, None
    for index, phase in enumerate(phases):
        quantizing = phase.name == "quantize"
        if quantizing and trunk is None:
            trunk = members, state
        if quantizing:
            members, state = trunk
            if index + 1 < len(phases):  # another mode starts from here again
                state = jax.tree.map(jnp.copy, state)
        state, members = enter(study, phase, state, members)
        state = run_phase(study, phase, state, recorder, progress)
        if phase.end >= config.training.steps:
            finish(study, phase, state, recorder, progress)
    run = Run(recorder.path)
    recorder.write_text("summary.md", run.summary_text())
    progress.finish(run)
    return run


def default_directory(config: Config) -> str:
    name = config.environment.split("?")[0].replace("/", "-")
    return f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def enter(
    study: Study, phase: Phase, state: Population, members: tuple[Member, ...]
) -> tuple[Population, tuple[Member, ...]]:
    """The population at the start of a phase: forked if it has other members than the one before."""
    wanted = study.pad(phase.members)
    if wanted == members:
        return state, members
    forked = population.fork(state, jnp.asarray(parents(members, wanted)), study.mesh)
    return population.with_pruned(forked, study.pruned(wanted)), wanted


def run_phase(
    study: Study, phase: Phase, state: Population, recorder: Recorder, progress: Progress
) -> Population:
    """Compiles the phase's program once and runs it to the phase's end."""
    config, program = study.config, study.program(phase)
    per_iteration = 1 if phase.name == "prefill" else config.training.train_frequency
    make = population.collect_chunk if phase.name == "prefill" else population.train_chunk
    progress.phase(phase)
    started = time.perf_counter()
    chunk = make(program, study.mesh).lower(state, jnp.int32(0)).compile()
    progress.compiled(phase, time.perf_counter() - started)
    evaluate = evaluation.evaluator(
        program.agent, study.evaluation_environment, study.mesh, config.evaluation.episodes
    )
    clock, seconds_per_step = phase.begin, None
    while clock < phase.end:
        stop = next_stop(clock, phase, config.evaluation.every)
        while clock < stop:
            steps = stop - clock
            if seconds_per_step is None:
                steps = min(steps, 10 * per_iteration)
            else:
                quick = int(CHUNK_SECONDS / seconds_per_step) // per_iteration * per_iteration
                steps = min(steps, max(quick, per_iteration))
            started = time.perf_counter()
            state = jax.block_until_ready(chunk(state, jnp.int32(steps // per_iteration)))
            seconds = time.perf_counter() - started
            seconds_per_step = seconds / steps
            clock += steps
            progress.advance(phase, clock, steps, seconds)
        metrics = measure(study, phase, state)
        if phase.name != "prefill":
            metrics |= returns_of(evaluate, state)
        state = population.with_empty_tally(state)
        recorder.append(rows_of(clock, phase.name, phase.members, metrics))
        progress.measured(phase, clock, metrics)
    return state


def next_stop(clock: int, phase: Phase, every: int) -> int:
    """The next step at which to log: a multiple of `every`, or the end of the phase."""
    if phase.name == "prefill":
        return phase.end
    return min((clock // every + 1) * every, phase.end)


def measure(study: Study, phase: Phase, state: Population) -> dict[str, np.ndarray]:
    """What training says of itself since the last log, per member."""
    tally = jax.device_get(state.members.tally)
    with np.errstate(invalid="ignore", divide="ignore"):
        metrics = {name: total / tally.updates for name, total in tally.metrics.items()}
        metrics["train_return"] = tally.finished_return / tally.episodes
    alive = np.asarray(population.alive_counts(state))
    sizes = np.array([int(np.prod(layer.shape)) for layer in study.layers])
    metrics["nonzero"] = alive.sum(axis=1)
    metrics["sparsity"] = 1.0 - alive.sum(axis=1) / sizes.sum()
    for i, layer in enumerate(study.layers):
        metrics[f"density/{layer.name}"] = alive[:, i] / sizes[i]
    return metrics


def returns_of(
    evaluate: Callable[..., evaluation.Episodes], state: Population
) -> dict[str, np.ndarray]:
    """Mean return and length of the evaluation's episodes, per member."""
    episodes = evaluate(*evaluation.evaluation_inputs(state.members), state.clock)
    return {
        "return": np.asarray(episodes.returns).mean(axis=1),
        "episode_length": np.asarray(episodes.lengths).mean(axis=1),
    }


def finish(
    study: Study, phase: Phase, state: Population, recorder: Recorder, progress: Progress
) -> None:
    """The last evaluation of the phase's arms; their policies go to disk."""
    progress.final_evaluation(phase)
    config = study.config
    evaluate = evaluation.evaluator(
        study.agent(phase),
        study.evaluation_environment,
        study.mesh,
        config.evaluation.final_episodes,
    )
    metrics = measure(study, phase, state) | returns_of(evaluate, state)
    final = {
        name: values
        for name, values in metrics.items()
        if name in ("return", "episode_length", "sparsity", "nonzero") or "density/" in name
    }
    recorder.append(rows_of(phase.end, "final", phase.members, final))
    policy = jax.device_get(state.members.agent.policy)
    for arm in dict.fromkeys(member.arm for member in phase.members):
        mine = [i for i, member in enumerate(phase.members) if member.arm == arm]
        recorder.save_policies(
            arm.name,
            jax.tree.map(lambda leaf, mine=mine: leaf[np.array(mine)], policy.params),
            jax.tree.map(lambda leaf, mine=mine: leaf[np.array(mine)], policy.masks),
        )
    progress.measured(phase, phase.end, final)


__all__ = ["Arm", "Row", "Study", "prepare", "train"]
