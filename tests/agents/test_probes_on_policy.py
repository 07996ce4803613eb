"""On-policy agents on environments whose values are known.

V(s) is that of the policy that is learned; where all rewards are 1 it is the same for any.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.members import Population, Program
from sparse_rl.study.preparation import build_agent

SEEDS = 3
DISCOUNT = 0.9
ONE = jnp.ones((1, 1))
OPTIONS: dict[str, dict[str, Any]] = {
    "ppo": {"rollout_steps": 16, "batch_size": 16, "epochs": 4, "learning_rate": 1e-3},
    "a2c": {"rollout_steps": 8, "learning_rate": 3e-3},
    "trpo": {"rollout_steps": 16, "batch_size": 16, "value_epochs": 4},
    # Not too wide: of wide Gaussians one that is cut off at 1 nearly always earns the most.
    "reinforce": {
        "rollout_steps": 16,
        "batch_size": 16,
        "value_epochs": 4,
        "learning_rate": 3e-3,
        "initial_log_std": -1.0,
    },
    "pqn": {
        "rollout_steps": 16,
        "minibatches": 4,
        "learning_rate": 2e-3,
        "learning_rate_last": 2e-4,
        "exploration_last": 0.2,
    },
}


def trained(agent: str, probe: str, actions: str, updates: int) -> tuple[Program, Population]:
    config = from_mapping(
        {
            "environment": f"probe/{probe}?actions={actions}",
            "agent": {"name": agent, "discount": DISCOUNT, **OPTIONS[agent]},
            "network": {"hidden": [32], "activation": "tanh", "initializer": "orthogonal"},
            "training": {"steps": 9_600, "environments": 4},
            "sparsity": {"interval": 960},
            "evaluation": {"every": 960},
        }
    )
    environment = make(config.environment)
    program = Program(build_agent(config, environment.spec, FLOAT32), environment, method=None)
    mesh = population.mesh(jax.devices()[:1])
    counts = {"policy": np.zeros((SEEDS, 2), np.int32)}
    state = population.init(program, mesh, np.arange(SEEDS, dtype=np.int32), counts)
    return program, chunks.train_chunk(program, mesh)(state, jnp.int32(updates))


def values(program: Program, state: Population, observation: float) -> np.ndarray:
    """V(s), [seeds]."""
    seen = jnp.full((1, 1), observation)
    params = state.members.agent.value.params
    agent: Any = program.agent
    return np.asarray(jax.vmap(lambda p: agent.values(p, (), seen))(params))[:, 0]


def q_values(program: Program, state: Population, observation: float) -> np.ndarray:
    """Q(s, .) of PQN, [seeds, actions]."""
    seen = jnp.full((1, 1), observation)
    agent: Any = program.agent
    return np.asarray(jax.vmap(agent.values, (0, None))(state.members.agent.policy.params, seen))[
        :, 0
    ]


@pytest.mark.parametrize(
    ("agent", "actions"),
    [
        ("ppo", "continuous"),
        ("a2c", "discrete"),
        ("trpo", "continuous"),
        ("reinforce", "discrete"),
    ],
    ids=["ppo", "a2c", "trpo", "reinforce"],
)
def test_a_time_out_is_no_end_but_a_termination_is(agent: str, actions: str) -> None:
    program, state = trained(agent, "time-out", actions, 400)
    np.testing.assert_allclose(values(program, state, 1.0), 1 / (1 - DISCOUNT), rtol=0.03)
    program, state = trained(agent, "termination", actions, 400)
    for steps, value in enumerate([1 + DISCOUNT + DISCOUNT**2, 1 + DISCOUNT, 1.0]):
        np.testing.assert_allclose(values(program, state, float(steps)), value, atol=0.1)


@pytest.mark.parametrize(
    ("agent", "actions"),
    [
        ("ppo", "discrete"),
        ("ppo", "continuous"),
        ("a2c", "continuous"),
        ("trpo", "discrete"),
        ("trpo", "continuous"),
        ("reinforce", "discrete"),
        ("reinforce", "continuous"),
    ],
)
def test_the_best_action_is_found(agent: str, actions: str) -> None:
    program, state = trained(agent, "action-reward", actions, 400)
    act = jax.vmap(lambda agent_state: program.agent.act(program.agent.variables(agent_state), ONE))
    best = np.asarray(act(state.members.agent))[:, 0]
    if actions == "discrete":
        np.testing.assert_array_equal(best, 1)
        np.testing.assert_allclose(values(program, state, 1.0), 1.0, atol=0.1)
    else:
        np.testing.assert_allclose(best, 0.5, atol=0.15)  # reward 1 - (a - 0.5)^2


def test_pqn_finds_values_and_actions() -> None:
    """Q(s, a) of what is acted greedily; where all rewards are 1 it is the same for any action."""
    program, state = trained("pqn", "time-out", "discrete", 400)
    np.testing.assert_allclose(q_values(program, state, 1.0), 1 / (1 - DISCOUNT), rtol=0.03)
    program, state = trained("pqn", "termination", "discrete", 400)
    for steps, value in enumerate([1 + DISCOUNT + DISCOUNT**2, 1 + DISCOUNT, 1.0]):
        np.testing.assert_allclose(q_values(program, state, float(steps)), value, atol=0.1)
    program, state = trained("pqn", "action-reward", "discrete", 400)
    np.testing.assert_allclose(q_values(program, state, 1.0), [[-1.0, 1.0]] * SEEDS, atol=0.1)
    program, state = trained("pqn", "delayed-reward", "discrete", 400)
    np.testing.assert_allclose(q_values(program, state, 0.0), DISCOUNT, atol=0.06)
