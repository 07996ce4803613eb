"""Actions between the agent's units and the environment's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.spaces import Continuous, Discrete, to_agent_action, to_env_action

BOX = Continuous((-2.0, 0.0), (2.0, 10.0))


@pytest.mark.parametrize("convert", [to_env_action, jax.jit(to_env_action, static_argnums=0)])
def test_agents_act_in_minus_one_to_one_and_are_clipped(convert) -> None:
    actions = jnp.asarray([[0.0, 0.0], [1.0, -1.0], [3.0, -7.0], [0.5, 0.5]])
    expected = [[0.0, 5.0], [2.0, 0.0], [2.0, 0.0], [1.0, 7.5]]
    np.testing.assert_array_equal(convert(BOX, actions), expected)


def test_there_and_back_is_the_same_action() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    there = to_env_action(BOX, actions)
    assert isinstance(there, np.ndarray)
    np.testing.assert_allclose(to_agent_action(BOX, there), actions, atol=1e-6)


def test_an_action_with_one_value_is_a_number_to_agents() -> None:
    fixed = Continuous((-2.0, 1.0), (3.0, 1.0))
    action = np.array([[3.0, 1.0]], np.float32)
    np.testing.assert_array_equal(to_agent_action(fixed, action), [[1.0, -1.0]])
    np.testing.assert_array_equal(to_env_action(fixed, to_agent_action(fixed, action)), action)


def test_discrete_actions_stay_what_they_are() -> None:
    for convert in (to_env_action, to_agent_action):
        found = convert(Discrete(5), np.array([4, 0], np.int64))
        assert found.dtype == np.int32 and found.tolist() == [4, 0]
