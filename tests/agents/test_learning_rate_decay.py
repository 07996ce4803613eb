"""Step sizes that fall: against their formula, and against agents that have the step size."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.agents.on_policy import OnPolicy, OnPolicyState
from sparse_rl.spaces import Outcome
from tests.agents.on_policy_example import agent_of

RATE, DECAY, STEPS = 3e-3, 0.75, 8_000  # training.steps of the example
OPTIONS: dict[str, dict[str, Any]] = {
    "ppo": {"batch_size": 8, "epochs": 2},
    "a2c": {},
    "trpo": {"batch_size": 8, "value_epochs": 2},
    "reinforce": {"batch_size": 8, "value_epochs": 2},
}


def learned(agent: OnPolicy, clock: int) -> OnPolicyState:
    """The state after the update at `clock`, whose rollout began sixteen steps before."""
    observe = jax.random.normal(jax.random.key(9), (9, 2, 3))
    begin = jnp.int32(clock - 16)
    state, memory = agent.begin(agent.init(jax.random.key(0)), observe[0], begin)
    no = jnp.zeros(2, bool)
    for t in range(8):
        action, taken = agent.explore(state, observe[t], jax.random.key(t), begin + 2 * t)
        outcome = Outcome(observe[t + 1], jnp.full(2, float(t)), no, no, ~no)
        state, memory = agent.remember(state, memory, begin + 2 * t, action, taken, outcome)
    found: OnPolicyState = jax.jit(agent.learn)(
        state, memory, jax.random.key(5), jnp.int32(clock)
    ).state
    return found


@pytest.mark.parametrize("clock", [0, 16, 4_000, 7_984, 8_000, 9_600])
def test_it_falls_linearly_over_training_and_then_stays(clock: int) -> None:
    agent = agent_of("a2c", "continuous", learning_rate=RATE, learning_rate_decay=DECAY)
    remaining = max(1.0 - clock / STEPS, 0.0)  # SB3's progress_remaining
    wanted = RATE * (1 - DECAY) + RATE * DECAY * remaining
    np.testing.assert_allclose(agent.at(jnp.int32(clock)).learning_rate, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_optimizer_has_the_step_size_of_its_update(name: str) -> None:
    """With a decay, the step that the same agent has with that step size from the beginning."""
    options = OPTIONS[name]
    now = RATE * (1 - DECAY * 4_000 / STEPS)
    falling = agent_of(name, "continuous", learning_rate=RATE, learning_rate_decay=DECAY, **options)
    constant = agent_of(name, "continuous", learning_rate=now, **options)
    first = agent_of(name, "continuous", learning_rate=RATE, **options)
    found, wanted, other = (learned(agent, 4_000) for agent in (falling, constant, first))
    for one, two in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    value, larger = (jax.tree.leaves(state.value.params) for state in (found, other))
    assert any((one != two).any() for one, two in zip(value, larger, strict=True))


def test_without_a_decay_the_step_size_is_a_constant_of_the_program() -> None:
    agent = agent_of("a2c", "discrete", learning_rate=RATE)
    assert agent.at(jnp.int32(4_000)) is agent
    assert agent.learning_rate == RATE
