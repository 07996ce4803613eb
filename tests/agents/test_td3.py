"""TD3 and DDPG against their formulas in NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.agents.td3 import TD3, TD3State
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.memory.replay import Batch
from sparse_rl.population.masking import given_masks
from sparse_rl.spaces import Continuous, EnvSpec, Outcome
from sparse_rl.study.preparation import build_agent
from tests.agents.reference import (
    added,
    check_moment,
    gradient,
    leaves,
    norm,
    perceptron,
    scaled,
    to_float64,
    transitions,
    values,
)

BATCH, ACTION = 5, 2


def agent_of(name: str, **options: Any) -> TD3:
    config = from_mapping(
        {
            "environment": "gymnax/Pendulum-v1",
            "agent": {"name": name, "learning_rate": 0.01, "tau": 0.1, **options},
            "network": {"hidden": [4]},
            "replay": {"capacity": 100, "batch_size": BATCH},
            "training": {"steps": 1_000, "learning_starts": 10},
            "sparsity": {"interval": 10, "critic_levels": [0, 0.5]},
            "quantization": {"modes": []},
        }
    )
    space = Continuous((-1.0,) * ACTION, (1.0,) * ACTION)
    spec = EnvSpec("numbers", (3,), np.dtype(np.float32), space, 100)
    agent = build_agent(config, spec, FLOAT32)
    assert isinstance(agent, TD3)
    return agent


@pytest.fixture(params=["td3", "ddpg"])
def agent(request: pytest.FixtureRequest) -> TD3:
    return agent_of(request.param)


def states(agent: TD3) -> TD3State:
    """Targets that are other networks than what they follow."""
    other = agent.init(jax.random.key(5))
    state: TD3State = agent.init(jax.random.key(0))
    return state._replace(target_policy=other.target_policy, targets=other.targets)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return transitions(BATCH, ACTION)


def act(params: dict, observation: np.ndarray) -> np.ndarray:
    return np.tanh(perceptron(params, observation, "action"))


def test_one_step_agrees_with_the_formulas(agent: TD3, batch: Batch) -> None:
    state, key = states(agent), jax.random.key(3)
    count, sigma = agent.config.critics, agent.config.target_noise
    assert (count, sigma) == ((2, 0.2) if agent.config.name == "td3" else (1, 0.0))
    learned = jax.jit(agent.update)(state, batch, key, jnp.int32(1))
    new, metrics = learned.state, learned.metrics
    data = Batch(*(np.asarray(leaf, np.float64) for leaf in batch))
    actor, critics = to_float64(state.policy.params), to_float64(state.critics.params)

    def mean(x: np.ndarray) -> float:
        return float((x * data.weight).sum() / data.weight.sum())

    noise = sigma * np.asarray(jax.random.normal(key, (BATCH, ACTION)), np.float64)
    next_action = act(to_float64(state.target_policy), data.next_observation)
    next_action = np.clip(next_action + np.clip(noise, -0.5, 0.5), -1, 1)
    following = values(to_float64(state.targets), count, data.next_observation, next_action)
    goal = data.reward + data.discount * following.min(axis=0)

    def critics_loss(params: dict) -> float:
        errors = values(params, count, data.observation, data.action) - goal
        return sum(mean(error**2) for error in errors)

    np.testing.assert_allclose(metrics["critic_loss"], critics_loss(critics), rtol=1e-4)
    slopes = gradient(critics_loss, critics)
    check_moment(new.critics.optimizer, slopes)
    np.testing.assert_allclose(metrics["critic_gradient_norm"], norm(slopes), rtol=1e-3)

    # The actor climbs the first of the critics, after their step.
    stepped = to_float64(jax.device_get(new.critics.params))

    def actor_loss(params: dict) -> float:
        action = act(params, data.observation)
        return -mean(values(stepped, 1, data.observation, action)[0])

    np.testing.assert_allclose(metrics["actor_loss"], actor_loss(actor), rtol=1e-4, atol=1e-6)
    value = mean(values(stepped, 1, data.observation, act(actor, data.observation))[0])
    np.testing.assert_allclose(metrics["value"], value, rtol=1e-4, atol=1e-6)
    actor_slopes = gradient(actor_loss, actor)
    check_moment(new.policy.optimizer, actor_slopes)
    np.testing.assert_allclose(metrics["gradient_norm"], norm(actor_slopes), rtol=1e-3)
    assert set(learned.gradients) == {"critics"}

    for found, source, target in (
        (new.targets, new.critics.params, state.targets),
        (new.target_policy, new.policy.params, state.target_policy),
    ):
        blended = added(
            scaled(to_float64(jax.device_get(source)), 0.1),
            scaled(to_float64(jax.device_get(target)), 0.9),
        )
        for one, wanted in zip(leaves(jax.device_get(found)), leaves(blended), strict=True):
            np.testing.assert_allclose(one, wanted, rtol=1e-5, atol=1e-6)


def test_the_actor_and_the_targets_wait(batch: Batch) -> None:
    """With a delay of three they move at the third gradient step, the critics at every one."""
    agent = agent_of("td3", policy_delay=3)
    state = states(agent)
    update = jax.jit(agent.update)
    metrics = None
    for before in range(6):
        learned = update(state, batch, jax.random.key(before), jnp.int32(before))
        new, last, metrics = learned.state, metrics, learned.metrics
        moved = before % 3 == 2
        if last is not None:  # the actor's are those of its last step
            assert metrics["critic_loss"] != last["critic_loss"]
            for name in ("actor_loss", "value", "gradient_norm"):
                assert (metrics[name] != last[name]) == moved
        for name in ("target_policy", "targets"):
            assert same(getattr(state, name), getattr(new, name)) != moved
        assert same(state.policy.params, new.policy.params) != moved
        assert not same(state.critics.params, new.critics.params)
        state = new


def test_a_method_is_given_the_gradient_of_the_actor_at_any_step(agent: TD3) -> None:
    """By the critics as they are, on a batch that its key draws."""
    state, key, clock = states(agent), jax.random.key(8), jnp.int32(30)
    state, memory = agent.begin(state, jnp.full((1, 3), 0.5), jnp.int32(0))
    data = transitions(30, ACTION)
    for step in range(30):
        outcome = Outcome(
            observation=data.observation[step : step + 1],
            reward=data.reward[step : step + 1],
            terminated=jnp.zeros(1, bool),
            truncated=jnp.zeros(1, bool),
            valid=jnp.ones(1, bool),
        )
        state, memory = agent.remember(
            state, memory, jnp.int32(step), data.action[step : step + 1], (), outcome
        )
    found = jax.jit(agent.policy_gradient)(state, memory, key, clock)
    batch = Batch(*(np.asarray(leaf, np.float64) for leaf in agent.sample(memory, key, clock)))
    assert len(np.unique(batch.observation, axis=0)) > 1
    critics = to_float64(state.critics.params)

    def actor_loss(params: dict) -> float:
        of_each = values(critics, 1, batch.observation, act(params, batch.observation))[0]
        return -float((of_each * batch.weight).sum() / batch.weight.sum())

    wanted = gradient(actor_loss, to_float64(state.policy.params))
    for one, other in zip(leaves(jax.device_get(found)), leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_targets_lose_the_weights_that_their_networks_lose(agent: TD3) -> None:
    """The actor's target among them: no value is learned from an action of a dead weight."""
    state = states(agent)
    masks = {
        name: jax.tree.map(
            lambda mask: jax.random.bernoulli(jax.random.key(2), 0.5, mask.shape),
            getattr(state, name).masks,
        )
        for name in agent.prunable
    }
    fields = given_masks(agent, state, masks)
    for target, name in (("target_policy", "policy"), ("targets", "critics")):
        before, after = getattr(state, target)["params"], fields[target]["params"]
        for layer, alive in masks[name]["params"].items():
            kept = np.where(alive["kernel"], before[layer]["kernel"], 0.0)
            assert 0 < (kept == 0).sum() < kept.size
            np.testing.assert_array_equal(after[layer]["kernel"], kept)


def same(one: Any, two: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return all(bool((a == b).all()) for a, b in pairs)


def test_exploration_is_the_policy_with_noise_within_the_bounds() -> None:
    agent = agent_of("td3", exploration_noise=0.5)
    state = states(agent)
    seen = jnp.full((1, 3), 0.3)
    greedy = agent.act(agent.variables(state), seen)[0]
    draws = jax.vmap(lambda key: agent.explore(state, seen, key, jnp.int32(0))[0][0])(
        jax.random.split(jax.random.key(1), 20_000)
    )
    assert jnp.abs(draws).max() <= 1.0
    noise = np.random.default_rng(0).normal(size=(200_000, 1))
    wanted = np.clip(np.asarray(greedy) + 0.5 * noise, -1, 1)
    np.testing.assert_allclose(draws.mean(axis=0), wanted.mean(axis=0), atol=0.015)
    np.testing.assert_allclose(draws.std(axis=0), wanted.std(axis=0), atol=0.015)
