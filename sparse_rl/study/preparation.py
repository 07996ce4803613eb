"""What stays the same during a run: configuration, environments, devices, the networks' layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from sparse_rl import envs, registry
from sparse_rl.agents.agent import Agent
from sparse_rl.agents.eau_dqn import EauDQN
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.envs import EnvSpec
from sparse_rl.networks import FlaxNetwork
from sparse_rl.population import cohorts
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts, Sizes
from sparse_rl.population.members import Program
from sparse_rl.quantization.aqt import dot_products
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.runtime.devices import choose as choose_devices
from sparse_rl.runtime.devices import require_precision
from sparse_rl.sparsity import distributions
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.adaptive import Adaptive
from sparse_rl.sparsity.method import Method, OwnCounts, keeps_dense_weights
from sparse_rl.study.phases import Member, Phase
from sparse_rl.study.plan import methods, plan

Layers = tuple[mask_rules.Layer, ...]


class Study(NamedTuple):
    """What stays the same during a run.

    Attributes:
        layers: of each prunable network; of stacked twins those of one.
        at_once: members that a device has of a cohort, at most; 0: all.
    """

    config: Config
    phases: tuple[Phase, ...]
    methods: Mapping[str, Method]
    environment: envs.VectorEnv
    evaluation_environment: envs.VectorEnv
    mesh: Mesh
    layers: Mapping[str, Layers]
    at_once: int = 0

    def agent(self, phase: Phase) -> Agent:
        """The configured agent; with rivals, while a method lets networks compete."""
        agent = build_agent(self.config, self.environment.spec, self.dots(phase))
        method = self.methods.get(phase.method)
        if isinstance(method, Adaptive) and phase.end <= method.end:
            return EauDQN.of(agent, method)
        return agent

    def dots(self, phase: Phase) -> DotProducts:
        """With what the policy multiplies."""
        return dot_products(phase.arithmetic, self.config.training.precision)

    def program(self, phase: Phase) -> Program:
        """The phase's program; a method has a part in it where members start and masks change."""
        changes = phase.changes_masks or phase.after is None
        method = self.methods[phase.method] if changes and phase.method else None
        agent, dots = self.agent(phase), self.dots(phase)
        fixed_scales = FlaxNetwork(agent.policy_network, dots) if dots.fixed else None
        return Program(agent, self.environment, method, fixed_scales)

    def pad(self, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """`members`, with copies of the first at the end, so that they divide the devices."""
        missing = population.padded(len(members), self.mesh) - len(members)
        return members + members[:1] * missing

    def target_counts(
        self, members: tuple[Member, ...]
    ) -> dict[str, Int[np.ndarray, "members layers"]]:
        """How many weights of each layer of each network each member loses in the end."""
        variants = {member.variant for member in members}
        found = {}
        for network in self.layers:
            dead = {variant: self._dead_weights(network, variant) for variant in variants}
            found[network] = np.stack([dead[member.variant] for member in members])
        return found

    def _dead_weights(self, network: str, variant: Variant) -> Int[np.ndarray, " layers"]:
        shapes = [layer.shape for layer in self.layers[network]]
        level = variant.level_of(network)
        method = self.methods.get(variant.method)
        if isinstance(method, OwnCounts):
            return method.pruned_counts(shapes, level)
        spread = distributions.named(self.config.sparsity.distribution)
        return distributions.pruned_counts(shapes, level, spread)

    def sizes(self, members: tuple[Member, ...]) -> Sizes:
        """The cohorts in which `members` train, those included that fill up the devices."""
        count = population.padded(len(members), self.mesh)
        return cohorts.sizes(count, self.mesh, self.at_once)

    def fresh(self, phase: Phase) -> Cohorts:
        """Members of `phase` before their first step."""
        members = self.pad(phase.members)
        seeds = np.array([member.seed for member in members], np.int32)
        each = cohorts.cut((seeds, self.target_counts(members)), self.sizes(phase.members))
        # With its method also where masks have stopped to change: what it keeps is there still.
        program = self.program(phase)._replace(method=self.methods.get(phase.method))
        return Cohorts(tuple(population.init(program, self.mesh, *mine) for mine in each))

    def shapes(self, phase: Phase) -> Cohorts:
        """What `fresh` would return, as shapes and types."""
        shapes: Cohorts = jax.eval_shape(lambda: self.fresh(phase))
        return shapes


def build_agent(config: Config, spec: EnvSpec, dots: DotProducts) -> Agent:
    """The configured agent; its policy multiplies with `dots`.

    Raises `ConfigError` where agent and environment do not fit.
    """
    name, actions = config.agent.name, config.agent.actions
    if actions is not None and not isinstance(spec.action, actions):
        fitting = [
            other
            for other in registry.AGENTS.names()
            if registry.AGENTS.options(other).actions in (None, type(spec.action))
        ]
        raise ConfigError(
            f"agent.name: {name} needs {actions.__name__.lower()} actions and {spec.name} has "
            f"{type(spec.action).__name__.lower()} ones; allowed: {', '.join(fitting)}"
        )
    agent: Agent = registry.AGENTS.implementation(name)(config, spec, dots)
    if config.sparsity.prunes_critics and len(agent.prunable) < 2:
        raise ConfigError(
            f"sparsity.critic_levels: found {list(config.sparsity.critic_levels)}, and "
            f"{name} has no critics that can be pruned; allowed: 0"
        )
    return agent


def prepare(config: Config) -> Study:
    """Environment, devices, the networks' layers. `ConfigError` comes before anything compiles."""
    require_precision(config.training.precision)
    try:
        environment = envs.make(config.environment)
        evaluation_environment = envs.make(config.environment, evaluation=True)
    except ValueError as error:
        raise ConfigError(f"environment: {error}") from None
    try:
        agent = build_agent(config, environment.spec, FLOAT32)
        state = jax.eval_shape(agent.init, jax.random.key(0))
    except ConfigError:
        raise
    except ValueError as error:
        shape = list(environment.spec.policy_shape)
        raise ConfigError(
            f"network.torso: found {config.network.torso}, which does not fit ({error}); allowed: "
            f"one that reads {environment.spec.name}'s observations, of shape {shape}"
        ) from None
    phases, made = tuple(plan(config)), methods(config)
    _check_kept(config, phases, made)
    mesh = population.mesh(choose_devices(config.devices))
    return Study(
        config,
        phases,
        made,
        environment,
        evaluation_environment,
        mesh,
        {
            name: _layers(getattr(state, name).params, twins)
            for name, twins in agent.prunable.items()
        },
        cohorts.most_at_once(state, mesh, config.population.cohort),
    )


def _check_kept(config: Config, phases: tuple[Phase, ...], made: Mapping[str, Method]) -> None:
    """Refuses to keep dense members that carry what no other study's members have."""
    for phase in phases:
        has_dense = any(member.variant == DENSE for member in phase.members)
        method = made.get(phase.method)
        if config.checkpoint.keep_dense and has_dense and method and keeps_dense_weights(method):
            raise ConfigError(
                f"checkpoint.keep_dense: found true with the method {phase.method}, whose members "
                f"keep a second set of weights; allowed: together with a method that begins with "
                f"dense training, such as gradual"
            )


def _layers(params: mask_rules.Params, twins: int) -> Layers:
    layers = mask_rules.layers(params)
    if not twins:
        return tuple(layers)
    return tuple(layer._replace(shape=layer.shape[1:]) for layer in layers)
