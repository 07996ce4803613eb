"""What agents without a replay buffer share: batches, and members that do not notice each other."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sparse_rl.agents.rollout_agent import permutation, shuffled
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.members import Population, Program
from sparse_rl.sparsity.gradual import CubicSchedule, GradualPruning
from sparse_rl.study.preparation import build_agent

OPTIONS: dict[str, dict[str, Any]] = {
    "ppo": {"batch_size": 8, "epochs": 2},
    "a2c": {},
    "trpo": {"batch_size": 8, "value_epochs": 2},
    "reinforce": {"batch_size": 8, "value_epochs": 2},
    "pqn": {"minibatches": 2},
}


def test_every_row_is_in_one_batch_of_each_epoch() -> None:
    rows = np.asarray(shuffled(jax.random.key(0), 12, epochs=3, batch_size=4))
    assert rows.shape == (9, 4)
    for epoch in rows.reshape(3, 12):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(12))
    assert (rows[:3] != rows[3:6]).any()


@pytest.mark.parametrize("rows", [1, 2, 7, 256, 1_000])
def test_a_permutation_has_each_row_once(rows: int) -> None:
    found = np.asarray(permutation(jax.random.key(rows), rows))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(np.sort(found), np.arange(rows))


@pytest.mark.parametrize("rows", [4, 5])
def test_every_permutation_is_as_likely(rows: int) -> None:
    """Pearson's chi-square over all rows! orders, 200 expected of each: above in 1 of 100,000."""
    orders = math.factorial(rows)
    keys = jax.random.split(jax.random.key(1), 200 * orders)
    found = np.asarray(jax.jit(jax.vmap(lambda key: permutation(key, rows)))(keys))
    _, seen = np.unique(found, axis=0, return_counts=True)
    assert len(seen) == orders
    assert ((seen - 200) ** 2 / 200).sum() < stats.chi2.ppf(1 - 1e-5, orders - 1)


def program_of(name: str) -> Program:
    config = from_mapping(
        {
            "environment": "gymnax/CartPole-v1",
            "agent": {"name": name, "rollout_steps": 8, **OPTIONS[name]},
            "network": {"hidden": [8], "initializer": "orthogonal", "layer_norm": name == "pqn"},
            "training": {"steps": 1_600, "environments": 2},
            "sparsity": {"interval": 16},
            "evaluation": {"every": 160},
        }
    )
    environment = make(config.environment)
    agent = build_agent(config, environment.spec, FLOAT32)
    return Program(agent, environment, GradualPruning(CubicSchedule(16, 48, 16)))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_member_is_the_same_alone_and_dead_weights_stay_dead(name: str) -> None:
    """Three members with 0, 5 and 9 dead weights of a layer each, and the last of them alone."""
    program = program_of(name)
    mesh = population.mesh(jax.devices()[:1])
    train = chunks.train_chunk(program, mesh)

    def trained(seeds: list[int], dead: list[int]) -> Population:
        counts = {"policy": np.array([[0, count] for count in dead], np.int32)}
        state = population.init(program, mesh, np.array(seeds, np.int32), counts)
        return train(state, jnp.int32(6))

    several, alone = trained([0, 1, 2], [0, 5, 9]), trained([2], [9])
    policy = several.members.agent.policy
    for one, among in zip(
        jax.tree.leaves(alone.members.agent.policy.params),
        jax.tree.leaves(policy.params),
        strict=True,
    ):
        np.testing.assert_allclose(among[2], one[0], rtol=2e-3, atol=2e-5)
    kernel = np.asarray(policy.params["params"]["hidden_0"]["kernel"])
    assert [(weights == 0).sum() for weights in kernel] == [0, 5, 9]
