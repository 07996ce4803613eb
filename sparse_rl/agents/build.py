"""From configuration and environment to an agent with its networks."""

from __future__ import annotations

from typing import Any

import jax

from sparse_rl.agents.agent import Agent
from sparse_rl.agents.dqn import DQN
from sparse_rl.agents.options import DQNOptions, SACOptions
from sparse_rl.agents.sac import SAC
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.envs import Continuous, Discrete, EnvSpec
from sparse_rl.networks import MLP, Critic, GaussianActor, QNetwork, make_torso
from sparse_rl.registry import AGENTS


def seen_observation(spec: EnvSpec) -> jax.ShapeDtypeStruct:
    """Shape and type of what a policy sees: one observation, or several frames on a last axis."""
    stack = (spec.frame_stack,) if spec.frame_stack > 1 else ()
    return jax.ShapeDtypeStruct((*spec.observation_shape, *stack), spec.observation_dtype)


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> Agent[Any]:
    """The configured agent; its policy multiplies with `dots`, its other networks in float32.

    Raises `ConfigError` where agent and environment do not fit.
    """
    made: Agent[Any] = AGENTS.implementation(config.agent.name)(config, spec, dots)
    return made


def sac(config: Config, spec: EnvSpec, dots: DotProducts) -> SAC:
    """Soft actor-critic, for continuous actions."""
    assert isinstance(config.agent, SACOptions)
    if not isinstance(spec.action, Continuous):
        raise ConfigError(
            f"agent.name: sac needs continuous actions and {spec.name} has discrete ones; "
            f"allowed: dqn"
        )
    size = len(spec.action.low)
    torso = make_torso(config.network.torso, config.network.hidden, dots)
    critic = Critic(MLP(config.network.hidden))
    return SAC(config.agent, GaussianActor(torso, size, dots), critic, seen_observation(spec), size)


def dqn(config: Config, spec: EnvSpec, dots: DotProducts) -> DQN:
    """Deep Q-learning, for discrete actions."""
    assert isinstance(config.agent, DQNOptions)
    if not isinstance(spec.action, Discrete):
        raise ConfigError(
            f"agent.name: dqn needs discrete actions and {spec.name} has continuous ones; "
            f"allowed: sac"
        )
    torso = make_torso(config.network.torso, config.network.hidden, dots)
    return DQN(
        config=config.agent,
        network=QNetwork(torso, spec.action.n, dots),
        observation=seen_observation(spec),
        actions=spec.action.n,
        exploration_steps=round(config.agent.exploration_fraction * config.training.steps),
    )
