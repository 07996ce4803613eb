"""PPO against its formulas in NumPy, and what it makes of a rollout."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu
import pytest

from sparse_rl.agents.on_policy import OnPolicyState, Taken
from sparse_rl.spaces import Outcome
from tests.agents.on_policy_example import (
    agent_of,
    clipped,
    fresh,
    random_batch,
    terms,
)
from tests.agents.reference import gradient, leaves, to_float64

KINDS = ["continuous", "discrete"]
OPTIONS = {"entropy_coefficient": 0.02, "batch_size": 8, "epochs": 2, "gradient_clip": 0.3}


@pytest.mark.parametrize("kind", KINDS)
def test_one_gradient_step_agrees_with_the_formulas(kind: str) -> None:
    agent = agent_of("ppo", kind, **OPTIONS)
    state, batch = fresh(agent), random_batch(kind)
    policy, value = to_float64(state.policy.params), to_float64(state.value.params)
    # Old probabilities that differ by less, and by more, than the clip allows.
    offsets = np.array([0.05, -0.4, 0.35, 0.0, 0.1, -0.05])
    older = terms(policy, value, batch, kind).log_prob + offsets
    batch = batch._replace(log_prob=jnp.asarray(older, jnp.float32))
    learned = jax.jit(agent.update)(state, batch)
    weight = np.asarray(batch.weight, np.float64)
    counted = weight > 0
    advantage = np.asarray(batch.advantage, np.float64)
    chosen = advantage[counted]
    advantage = (advantage - chosen.mean()) / (chosen.std(ddof=1) + 1e-8)

    def mean(x: np.ndarray) -> float:
        return float(x[counted].mean())

    def parts(policy: dict, value: dict) -> tuple[float, float, float, np.ndarray]:
        found = terms(policy, value, batch, kind)
        ratio = np.exp(found.log_prob - np.asarray(batch.log_prob, np.float64))
        gain = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
        error = np.asarray(batch.target, np.float64) - found.value
        return -mean(gain), mean(error**2), mean(found.entropy), ratio

    policy_loss, value_loss, entropy, ratio = parts(policy, value)
    outside = (ratio < 0.8) | (ratio > 1.2)
    assert 0 < mean(outside) < 1, "the batch must have ratios on both sides of the clip"
    np.testing.assert_allclose(learned.metrics["policy_loss"], policy_loss, rtol=1e-4)
    np.testing.assert_allclose(learned.metrics["value_loss"], value_loss, rtol=1e-4)
    np.testing.assert_allclose(learned.metrics["entropy"], entropy, rtol=1e-4)
    np.testing.assert_allclose(learned.metrics["clipped_share"], mean(outside), rtol=1e-5)
    kl = mean(ratio - 1 - np.log(ratio))
    np.testing.assert_allclose(learned.metrics["kl"], kl, rtol=1e-3, atol=1e-5)

    def loss(policy: dict, value: dict) -> float:
        policy_loss, value_loss, entropy, _ = parts(policy, value)
        return policy_loss + 0.5 * value_loss - 0.02 * entropy

    slopes = gradient(lambda p: loss(p, value), policy), gradient(lambda v: loss(policy, v), value)
    for found, wanted in zip(
        leaves(jax.device_get(learned.gradients["policy"])), leaves(slopes[0]), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=3e-5)
    # Adam's first moment is a tenth of the gradients, which are clipped by their common norm.
    for network, wanted in zip(
        (learned.state.policy, learned.state.value), clipped(*slopes, 0.3), strict=True
    ):
        moments = leaves(jax.device_get(otu.tree_get(network.optimizer, "mu")))
        for found, slope in zip(moments, leaves(wanted), strict=True):
            np.testing.assert_allclose(found / 0.1, slope, rtol=2e-3, atol=3e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_weight_change_nothing(kind: str) -> None:
    agent = agent_of("ppo", kind, **OPTIONS)
    state, batch = fresh(agent), random_batch(kind)
    other = batch._replace(
        observation=batch.observation.at[3].set(9.0),
        advantage=batch.advantage.at[3].set(1e3),
        target=batch.target.at[3].set(-1e3),
    )
    update = jax.jit(agent.update)
    one, two = update(state, batch), update(state, other)
    for first, second in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)


def collected(agent: Any, state: OnPolicyState) -> tuple[Any, jax.Array]:
    """A memory of eight steps of two environments, acted by `state`."""
    observe = jax.random.normal(jax.random.key(9), (9, 2, 3))
    state, memory = agent.begin(state, observe[0], jnp.int32(0))
    no = jnp.zeros(2, bool)
    for t in range(8):
        clock = jnp.int32(2 * t)
        action, taken = agent.explore(state, observe[t], jax.random.key(t), clock)
        outcome = Outcome(observe[t + 1], jnp.full(2, float(t)), no, no, ~no)
        state, memory = agent.remember(state, memory, clock, action, taken, outcome)
    return memory, observe


@pytest.mark.parametrize("normalize", [False, True])
def test_the_first_ratio_is_one(normalize: bool) -> None:
    """Also with normalized observations: the statistics change after the update, not before."""
    agent = agent_of("ppo", "continuous", normalize, batch_size=16, epochs=1)
    state = agent.init(jax.random.key(0))
    memory, observe = collected(agent, state)
    learned = jax.jit(agent.learn)(state, memory, jax.random.key(5), jnp.int32(16))
    np.testing.assert_allclose(learned.metrics["kl"], 0.0, atol=1e-6)
    assert learned.metrics["clipped_share"] == 0
    if normalize:
        seen = np.asarray(observe)[1:].reshape(-1, 3)
        np.testing.assert_allclose(learned.state.statistics.mean, seen.mean(axis=0), atol=1e-4)


def test_every_epoch_sees_every_step_once() -> None:
    """Two epochs of two batches: next to nothing is learned, so their mean is the rollout's."""
    agent = agent_of("ppo", "continuous", batch_size=8, epochs=2, learning_rate=1e-12)
    state = agent.init(jax.random.key(0))
    memory, _ = collected(agent, state)
    learned = jax.jit(agent.learn)(state, memory, jax.random.key(5), jnp.int32(16))
    _, rollout = agent.collected(state, memory, jnp.int32(16))
    values = agent.values(state.value.params, (), rollout.observation)
    wanted = jnp.square(rollout.target - values).mean()
    np.testing.assert_allclose(learned.metrics["value_loss"], wanted, rtol=1e-4)


def test_what_is_remembered_is_the_probability_of_the_action() -> None:
    agent = agent_of("ppo", "discrete", batch_size=8)
    state = fresh(agent)
    seen = jnp.ones((2, 3))
    action, taken = agent.explore(state, seen, jax.random.key(0), jnp.int32(0))
    assert isinstance(taken, Taken)
    logits = agent.actor.apply(state.policy.params, seen)["head"]
    wanted = jax.nn.log_softmax(logits)[jnp.arange(2), action]
    np.testing.assert_allclose(taken.log_prob, wanted, rtol=1e-5)


def test_the_deviation_is_trained_and_not_delivered() -> None:
    agent = agent_of("ppo", "continuous", **OPTIONS)
    state = fresh(agent)
    assert set(agent.variables(state)) == {"params"}
    assert set(agent.variables(state)["params"]) == {"hidden_0", "mean"}
    new = agent.update(state, random_batch("continuous")).state
    before, after = (s.policy.params["exploration"]["log_std"] for s in (state, new))
    assert (before != after).all()


@pytest.mark.parametrize(("kind", "head"), [("continuous", "mean"), ("discrete", "head")])
def test_a_policy_begins_next_to_indifferent_and_a_value_does_not(kind: str, head: str) -> None:
    """Gains of orthogonal kernels: 0.01 and 1 (Andrychowicz et al. 2021, section 3.2)."""
    state = agent_of("ppo", kind, batch_size=8).init(jax.random.key(0))
    policy, value = (network.params["params"] for network in (state.policy, state.value))
    for kernel, gain in ((policy[head], 0.01), (value["value"], 1.0)):
        size = np.linalg.svd(kernel["kernel"], compute_uv=False)
        np.testing.assert_allclose(size, gain, rtol=1e-4)


def test_advantages_are_those_of_the_rewards_over_the_deviation_of_returns() -> None:
    """So rewards a thousand times as large are learned from as well."""
    plain, scaling = (
        agent_of("ppo", "continuous", batch_size=8, normalize_rewards=scaled, discount=0.9)
        for scaled in (False, True)
    )
    state = scaling.init(jax.random.key(0))
    memory, _ = collected(scaling, state)
    rewards = np.asarray(memory.reward, np.float64)
    running, returns, by_hand = np.zeros(2), [], np.zeros_like(rewards)
    for t, reward in enumerate(rewards):
        running = 0.9 * running + reward
        returns += list(running)
        by_hand[t] = reward / np.sqrt(np.var(returns) + 1e-8)
    assert by_hand.max() < 10, "nothing is clipped"
    divided = memory._replace(reward=jnp.asarray(by_hand, jnp.float32))
    _, wanted = plain.collected(plain.init(jax.random.key(0)), divided, jnp.int32(16))
    for factor in (1, 1_000):
        larger = memory._replace(reward=memory.reward * factor)
        _, found = scaling.collected(state, larger, jnp.int32(16))
        # The variance of 1 that there was before any return has a little weight.
        np.testing.assert_allclose(found.advantage, wanted.advantage, rtol=1e-2)
        np.testing.assert_allclose(found.target, wanted.target, rtol=1e-2)
