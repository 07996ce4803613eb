"""Agents on environments whose values are known: what the critic must find.

One program per probe, three seeds each, a few thousand updates of a small network.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.networks import values_of_each
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.members import Population, Program
from sparse_rl.study.preparation import build_agent

SEEDS = 3
DISCOUNT = 0.9


def trained(agent: str, probe: str, steps: int = 3_000) -> tuple[Program, Population]:
    actions = "discrete" if agent == "dqn" else "continuous"
    options = {
        "dqn": {"target_interval": 50, "exploration_last": 0.2},
        # Hardly any entropy bonus: SAC's values are then those of the reward alone.
        "sac": {"tau": 0.05, "initial_temperature": 1e-6},
        "td3": {"tau": 0.05},
        "ddpg": {"tau": 0.05},
    }[agent]
    config = from_mapping(
        {
            "environment": f"probe/{probe}?actions={actions}",
            "agent": {
                "name": agent,
                "learning_rate": 3e-3,
                "discount": DISCOUNT,
                **options,
            },
            "network": {"hidden": [32]},
            "replay": {"capacity": 1_000, "batch_size": 32},
            "training": {"steps": 10_000, "learning_starts": 200},
        }
    )
    environment = make(config.environment)
    program = Program(build_agent(config, environment.spec, FLOAT32), environment, method=None)
    mesh = population.mesh(jax.devices()[:1])
    layers = 3 if agent == "sac" else 2
    counts = {"policy": np.zeros((SEEDS, layers), np.int32)}
    state = population.init(program, mesh, np.arange(SEEDS, dtype=np.int32), counts)
    state = chunks.collect_chunk(program, mesh)(state, jnp.int32(200))
    return program, chunks.train_chunk(program, mesh)(state, jnp.int32(steps))


def values(program: Program, state: Population, observation: float) -> np.ndarray:
    """[seeds, actions] values at an observation; SAC's are the smaller twin's at a = 0.5."""
    seen = jnp.full((1, 1), observation)
    agent, members = program.agent, state.members.agent
    if hasattr(agent, "critic"):
        action = jnp.full((1, 1), 0.5)
        of_member = partial(values_of_each, agent.critic)
        q = jax.vmap(of_member, (0, None, None))(members.critics.params, seen, action)
        return np.asarray(q.min(axis=1))
    return np.asarray(jax.vmap(agent.network.apply, (0, None))(members.policy.params, seen))[:, 0]


@pytest.mark.parametrize("agent", ["sac", "dqn"])
def test_constant_reward(agent: str) -> None:
    program, state = trained(agent, "constant-reward", steps=1_000)
    np.testing.assert_allclose(values(program, state, 1.0), 1.0, atol=0.05)


@pytest.mark.parametrize("agent", ["sac", "dqn", "td3", "ddpg"])
def test_the_best_action_is_found(agent: str) -> None:
    program, state = trained(agent, "action-reward")
    best = jax.vmap(program.agent.act, (0, None))(
        state.members.agent.policy.params, jnp.ones((1, 1))
    )
    if agent != "dqn":
        np.testing.assert_allclose(best, 0.5, atol=0.15)  # reward 1 - (a - 0.5)^2
    else:
        np.testing.assert_array_equal(best, 1)
        np.testing.assert_allclose(values(program, state, 1.0), [[-1.0, 1.0]] * SEEDS, atol=0.1)


@pytest.mark.parametrize("agent", ["sac", "dqn"])
def test_a_reward_to_come_is_discounted(agent: str) -> None:
    program, state = trained(agent, "delayed-reward")
    np.testing.assert_allclose(values(program, state, 1.0), 1.0, atol=0.05)
    np.testing.assert_allclose(values(program, state, 0.0), DISCOUNT, atol=0.06)


@pytest.mark.parametrize("agent", ["sac", "dqn", "td3"])
def test_a_time_out_is_no_end_but_a_termination_is(agent: str) -> None:
    program, state = trained(agent, "time-out", steps=4_000)
    np.testing.assert_allclose(values(program, state, 1.0), 1 / (1 - DISCOUNT), rtol=0.06)
    program, state = trained(agent, "termination")
    for steps, value in enumerate([1 + DISCOUNT + DISCOUNT**2, 1 + DISCOUNT, 1.0]):
        np.testing.assert_allclose(values(program, state, float(steps)), value, atol=0.15)
