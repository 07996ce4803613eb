"""What stays the same during a run: configuration, environments, devices, the policy's layers."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from sparse_rl import envs, population
from sparse_rl.agents.agent import Agent
from sparse_rl.agents.build import build
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import FLOAT32
from sparse_rl.machine.devices import choose as choose_devices
from sparse_rl.population import Population, Program
from sparse_rl.quantization.aqt import dot_products
from sparse_rl.sparsity import distributions
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.method import GradualPruning
from sparse_rl.sparsity.schedules import CubicSchedule
from sparse_rl.study.phases import Member, Phase, plan


class Study(NamedTuple):
    """What stays the same during a run."""

    config: Config
    phases: tuple[Phase, ...]
    environment: envs.VectorEnv
    evaluation_environment: envs.VectorEnv
    mesh: Mesh
    layers: tuple[mask_rules.Layer, ...]

    def agent(self, phase: Phase) -> Agent:
        return build(self.config, self.environment.spec, dot_products(phase.arithmetic))

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

    def pruned(self, members: tuple[Member, ...]) -> Int[np.ndarray, "members layers"]:
        """How many weights of each layer each member's variant loses in the end."""
        name = self.config.sparsity.distribution
        # A global threshold needs the total only; `uniform` gives the right one.
        spread = distributions.PER_LAYER.get(name, distributions.uniform)
        shapes = [layer.shape for layer in self.layers]
        by_level = {
            level: distributions.pruned_counts(shapes, level, spread)
            for level in {member.variant.sparsity for member in members}
        }
        return np.stack([by_level[member.variant.sparsity] for member in members]).astype(np.int32)

    def fresh(self, phase: Phase) -> Population:
        """Members of `phase` before their first step."""
        members = self.pad(phase.members)
        seeds = np.array([member.seed for member in members], np.int32)
        return population.init(self.program(phase), self.mesh, seeds, self.pruned(members))

    def shapes(self, phase: Phase) -> Population:
        """What `fresh` would return, as shapes and types."""
        shapes: Population = jax.eval_shape(lambda: self.fresh(phase))
        return shapes


def prepare(config: Config) -> Study:
    """Environment, devices, the policy's layers. `ConfigError` comes before anything compiles."""
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
        tuple(plan(config)),
        environment,
        evaluation_environment,
        population.mesh(choose_devices(config.devices)),
        tuple(mask_rules.layers(state.policy.params)),
    )
