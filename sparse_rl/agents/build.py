"""From configuration and environment to an agent with its networks."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from sparse_rl.agents.agent import Agent
from sparse_rl.agents.dqn import DQN
from sparse_rl.agents.options import DQNOptions, SACOptions
from sparse_rl.agents.sac import SAC
from sparse_rl.architecture import Normalize, Observation, hidden_layers, policy_network
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.networks import Critic, GaussianActor, QNetwork
from sparse_rl.registry import AGENTS
from sparse_rl.spaces import Continuous, Discrete, EnvSpec


def seen(observation: Observation) -> jax.ShapeDtypeStruct:
    """Shape and type of what a policy reads."""
    return jax.ShapeDtypeStruct(observation.shape, np.dtype(observation.dtype))


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
    network = policy_network(config.network, spec)
    normalize = [step for step in network.operations[:1] if isinstance(step, Normalize)]
    critic = Critic(network.observation, (*normalize, *hidden_layers(config.network.hidden)))
    actor = GaussianActor(network, dots)
    return SAC(config.agent, actor, critic, seen(network.observation), size)


def dqn(config: Config, spec: EnvSpec, dots: DotProducts) -> DQN:
    """Deep Q-learning, for discrete actions."""
    assert isinstance(config.agent, DQNOptions)
    if not isinstance(spec.action, Discrete):
        raise ConfigError(
            f"agent.name: dqn needs discrete actions and {spec.name} has continuous ones; "
            f"allowed: sac"
        )
    network = policy_network(config.network, spec)
    return DQN(
        config=config.agent,
        network=QNetwork(network, dots),
        observation=seen(network.observation),
        actions=spec.action.n,
        exploration_steps=round(config.agent.exploration_fraction * config.training.steps),
    )
