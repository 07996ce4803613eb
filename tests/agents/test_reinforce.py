"""REINFORCE against its formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu
import pytest

from sparse_rl.spaces import Outcome
from tests.agents.on_policy_example import agent_of, fresh, random_batch, terms
from tests.agents.reference import gradient, leaves, scaled, to_float64


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_the_policys_step_agrees_with_the_formulas(kind: str, normalize: bool) -> None:
    agent = agent_of(
        "reinforce",
        kind,
        batch_size=8,
        entropy_coefficient=0.03,
        gradient_clip=0.2,
        normalize_advantages=normalize,
    )
    state, batch = fresh(agent), random_batch(kind)
    step = jax.jit(agent.policy_step)(state, batch)
    counted = np.asarray(batch.weight) > 0
    advantage = np.asarray(batch.advantage, np.float64)
    if normalize:
        chosen = advantage[counted]
        advantage = (advantage - chosen.mean()) / (chosen.std(ddof=1) + 1e-8)
    policy, value = to_float64(state.policy.params), to_float64(state.value.params)

    def loss(policy: dict) -> float:
        found = terms(policy, value, batch, kind)
        return float((-found.log_prob * advantage - 0.03 * found.entropy)[counted].mean())

    total = step.metrics["policy_loss"] - 0.03 * step.metrics["entropy"]
    np.testing.assert_allclose(total, loss(policy), rtol=1e-4)
    slope = gradient(loss, policy)
    every = zip(leaves(jax.device_get(step.gradients)), leaves(slope), strict=True)
    for found, wanted in every:
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=3e-5)
    norm = np.sqrt(sum((leaf**2).sum() for leaf in leaves(slope)))
    assert norm > 0.2, "the clip must clip"
    moments = leaves(jax.device_get(otu.tree_get(step.policy.optimizer, "mu")))
    for found, wanted in zip(moments, leaves(scaled(slope, 0.2 / norm)), strict=True):
        np.testing.assert_allclose(found / 0.1, wanted, rtol=2e-3, atol=3e-5)


def test_a_return_goes_on_to_the_end_of_its_episode() -> None:
    """Eight steps with reward t: the first environment ends after the third, the other goes on.

    What is after the rollout is worth what the baseline says of the last observation.
    """
    agent = agent_of("reinforce", "discrete", batch_size=8, discount=0.9)
    state = fresh(agent)
    seen = jax.random.normal(jax.random.key(9), (9, 2, 3))
    state, memory = agent.begin(state, seen[0], jnp.int32(0))
    for t in range(8):
        clock = jnp.int32(2 * t)
        action, taken = agent.explore(state, seen[t], jax.random.key(t), clock)
        ends = jnp.array([t == 2, False])
        valid = jnp.array([t != 3, True])
        reward = jnp.full(2, float(t)) * valid
        outcome = Outcome(seen[t + 1], reward, ends, ends & False, valid)
        state, memory = agent.remember(state, memory, clock, action, taken, outcome)
    _, batch = agent.collected(state, memory, jnp.int32(16))
    values = np.asarray(agent.values(state.value.params, (), seen.reshape(-1, 3))).reshape(9, 2)
    target = np.asarray(batch.target).reshape(8, 2)
    np.testing.assert_allclose(target[:3, 0], [0.9 + 0.81 * 2, 1 + 0.9 * 2, 2], rtol=1e-5)
    whole = sum(0.9**k * k for k in range(8)) + 0.9**8 * values[8, 1]
    np.testing.assert_allclose(target[0, 1], whole, rtol=1e-5)
    advantage = np.asarray(batch.advantage).reshape(8, 2)
    np.testing.assert_allclose(advantage[0], target[0] - values[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(batch.weight, [1] * 6 + [0] + [1] * 9)


def test_the_baselines_first_step_agrees_with_the_formulas() -> None:
    """One batch, of all rows: six, and the first two again."""
    agent = agent_of("reinforce", "continuous", batch_size=8, value_epochs=1)
    state, six = fresh(agent), random_batch("continuous")
    batch = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[:2]]), six)
    value, loss, slopes = jax.jit(agent.regression)(state, batch, jax.random.key(0))
    counted = np.asarray(batch.weight) > 0
    policy, before = to_float64(state.policy.params), to_float64(state.value.params)

    def error(value: dict) -> float:
        found = terms(policy, value, batch, "continuous").value
        return float(((np.asarray(batch.target, np.float64) - found) ** 2)[counted].mean())

    np.testing.assert_allclose(loss, error(before), rtol=1e-4)
    wanted = gradient(error, before)
    for found, slope in zip(leaves(jax.device_get(slopes)), leaves(wanted), strict=True):
        np.testing.assert_allclose(found, slope, rtol=2e-3, atol=3e-5)
    moments = leaves(jax.device_get(otu.tree_get(value.optimizer, "mu")))
    for found, slope in zip(moments, leaves(wanted), strict=True):
        np.testing.assert_allclose(found / 0.1, slope, rtol=2e-3, atol=3e-5)
