"""DQN against its formulas in NumPy, and against the known values of probe environments."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu
import pytest
from scipy import stats

from sparse_rl.agents.dqn import DQN, DQNState
from sparse_rl.agents.off_policy import Rhythm
from sparse_rl.agents.options import DQNOptions
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.memory.replay import Batch
from sparse_rl.networks import QNetwork
from sparse_rl.spaces import Discrete, EnvSpec
from sparse_rl.study.preparation import build_agent
from tests.agents.reference import (
    added,
    first_adam_step,
    gradient,
    leaves,
    perceptron,
    scaled,
    to_float64,
)
from tests.example_networks import q_values

ACTIONS, BATCH = 3, 6
RHYTHM = Rhythm(
    environments=2,
    steps=1,
    gradient_steps=1,
    capacity=100,
    batch_size=BATCH,
    n_step=1,
    discount=0.9,
    frame_stack=1,
    normalize=False,
)


def make(**options: float) -> DQN:
    return DQN(
        config=DQNOptions(**{"target_interval": 100, "learning_rate": 0.01, **options}),
        rhythm=RHYTHM,
        network=QNetwork(q_values("mlp", (2,), "float32", ACTIONS, (5, 4))),
        observation=jax.ShapeDtypeStruct((2,), jnp.float32),
        actions=ACTIONS,
        exploration_steps=1_000,
    )


def make_state(agent: DQN) -> DQNState:
    """Online and target network differ, as they do in training."""
    state = agent.init(jax.random.key(0))
    return state._replace(target=agent.init(jax.random.key(1)).target)


def make_batch() -> Batch:
    random = np.random.default_rng(0)
    return Batch(
        observation=jnp.array(random.normal(size=(BATCH, 2)), jnp.float32),
        action=jnp.array(random.integers(0, ACTIONS, BATCH), jnp.int32),
        # Large and small errors, so that both branches of the Huber loss are met.
        reward=jnp.array([0.1, -30.0, 0.0, 25.0, 0.3, 9.0], jnp.float32),
        discount=jnp.array([0.9, 0.9, 0.0, 0.9, 0.9, 0.9], jnp.float32),
        next_observation=jnp.array(random.normal(size=(BATCH, 2)), jnp.float32),
        weight=jnp.array([1.0, 1.0, 1.0, 1.0, 0.0, 1.0], jnp.float32),
    )


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("clip", [0.1, 1000.0])
def test_one_update_agrees_with_the_formulas(double: bool, clip: float) -> None:
    agent = make(double=double, gradient_clip=clip, weight_decay=0.02)
    state, batch = make_state(agent), make_batch()
    new, metrics, gradients = jax.jit(agent.update)(state, batch, jax.random.key(2), jnp.int32(7))

    online, target = to_float64(state.policy.params), to_float64(state.target)
    data = Batch(*(np.asarray(leaf, np.float64) for leaf in batch))
    rows, action = np.arange(BATCH), np.asarray(batch.action)
    next_values = perceptron(target, data.next_observation, "head")
    if double:
        next_action = perceptron(online, data.next_observation, "head").argmax(axis=1)
        next_value = next_values[rows, next_action]
    else:
        next_value = next_values.max(axis=1)
    goal = data.reward + data.discount * next_value

    def loss(params: dict) -> float:
        error = np.abs(perceptron(params, data.observation, "head")[rows, action] - goal)
        huber = np.where(error < 1.0, 0.5 * error**2, error - 0.5)
        return float((huber * data.weight).sum() / data.weight.sum())

    slopes = gradient(loss, online)
    norm = np.sqrt(sum((leaf**2).sum() for leaf in leaves(slopes)))
    assert (norm > clip) == (clip == 0.1), "one case clips, the other does not"
    clipped = added(scaled(slopes, min(1.0, clip / norm)), scaled(online, 0.02))

    np.testing.assert_allclose(metrics["loss"], loss(online), rtol=1e-5)
    chosen = perceptron(online, data.observation, "head")[rows, action]
    mean = (chosen * data.weight).sum() / data.weight.sum()
    np.testing.assert_allclose(metrics["value"], mean, rtol=1e-4)
    assert set(gradients) == set(agent.prunable) == {"policy"}
    for found, wanted in zip(
        leaves(jax.device_get(gradients["policy"])), leaves(slopes), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-5)
    first_moment = leaves(jax.device_get(otu.tree_get(new.policy.optimizer, "mu")))
    for found, wanted in zip(first_moment, leaves(clipped), strict=True):
        np.testing.assert_allclose(found / 0.1, wanted, rtol=1e-3, atol=2e-5)
    moved = first_adam_step(online, clipped, 0.01, 1e-8)
    for found, wanted, slope in zip(
        leaves(jax.device_get(new.policy.params)), leaves(moved), leaves(clipped), strict=True
    ):
        clear = np.abs(slope) > 1e-4  # the first Adam step is the sign of the gradient
        np.testing.assert_allclose(found[clear], wanted[clear], rtol=1e-4, atol=1e-5)


def test_the_target_is_copied_before_the_gradient_steps_of_its_turn() -> None:
    """Once, however many steps follow: all of them go towards the same target."""
    agent = make(target_interval=100)
    agent = replace(agent, rhythm=replace(RHYTHM, gradient_steps=3))
    state = make_state(agent)
    _, memory = agent.begin(state, jnp.ones((2, 2)), jnp.int32(0))
    memory = memory._replace(
        observation=jax.random.normal(jax.random.key(3), memory.observation.shape),
        reward=jax.random.normal(jax.random.key(4), memory.reward.shape),
        valid=jnp.ones_like(memory.valid),
    )
    between = agent.learn(state, memory, jax.random.key(0), jnp.int32(99)).state
    due = agent.learn(state, memory, jax.random.key(0), jnp.int32(100)).state
    for kept, old in zip(leaves(between.target), leaves(state.target), strict=True):
        np.testing.assert_array_equal(kept, old)
    for copied, old in zip(leaves(due.target), leaves(state.policy.params), strict=True):
        np.testing.assert_array_equal(copied, old)
    # The gradient steps of that turn already use the copy.
    copied = state._replace(target=state.policy.params)
    expected = agent.learn(copied, memory, jax.random.key(0), jnp.int32(100)).state
    for found, wanted, old in zip(
        leaves(due.policy.params),
        leaves(expected.policy.params),
        leaves(state.policy.params),
        strict=True,
    ):
        np.testing.assert_array_equal(found, wanted)
        assert (found != old).any()


def test_a_target_that_follows_slowly_has_no_weight_that_the_policy_has_not() -> None:
    """(1 - tau) target + tau policy where the policy has weights, and zero elsewhere."""
    agent = make(tau=0.1)
    state = make_state(agent)
    masks = jax.tree.map(
        lambda mask: jax.random.bernoulli(jax.random.key(2), 0.3, mask.shape), state.policy.masks
    )
    state = state._replace(policy=state.policy.with_masks(masks))
    moved = agent.with_target(state, jax.random.key(0), jnp.int32(200)).target["params"]
    policy, before = state.policy.params["params"], state.target["params"]
    for layer, alive in masks["params"].items():
        for leaf in ("kernel", "bias"):
            wanted = 0.9 * before[layer][leaf] + 0.1 * policy[layer][leaf]
            if leaf == "kernel":
                wanted = np.where(alive["kernel"], wanted, 0.0)
                assert 0 < (wanted == 0).sum() < wanted.size
            np.testing.assert_allclose(moved[layer][leaf], wanted, rtol=1e-6)
    kept = agent.with_target(state, jax.random.key(0), jnp.int32(201)).target
    for one, other in zip(leaves(kept), leaves(state.target), strict=True):
        np.testing.assert_array_equal(one, other)


def test_epsilon_falls_linearly_and_then_stays() -> None:
    agent = make(exploration_first=1.0, exploration_last=0.1)
    found = [float(agent.epsilon(jnp.int32(clock))) for clock in (0, 500, 1_000, 9_000)]
    np.testing.assert_allclose(found, [1.0, 0.55, 0.1, 0.1], rtol=1e-6)


def test_epsilon_falls_for_the_configured_share_of_training() -> None:
    options = {"exploration_fraction": 0.2, "exploration_last": 0.1}
    config = from_mapping(
        {
            "environment": "gymnax/CartPole-v1",
            "agent": {"name": "dqn", **options},
            "training": {"steps": 1_000, "learning_starts": 100},
            "sparsity": {"interval": 100},
        }
    )
    spec = EnvSpec("numbers", (4,), np.dtype(np.float32), Discrete(2), 100)
    agent: Any = build_agent(config, spec, FLOAT32)
    found = agent.epsilon(jnp.array([0, 100, 200, 500]))
    np.testing.assert_allclose(found, [1.0, 0.55, 0.1, 0.1], rtol=1e-6)


def test_exploration_is_greedy_but_for_epsilon() -> None:
    agent = make(exploration_first=0.4, exploration_last=0.4)
    state = agent.init(jax.random.key(0))
    observation = jnp.array([[0.3, -0.8], [0.3, -0.8]])
    keys = jax.random.split(jax.random.key(1), 4_000)
    explore = jax.vmap(agent.explore, (None, None, 0, None))
    actions, extras = explore(state, observation, keys, jnp.int32(0))
    assert actions.shape == (4_000, 2)
    assert extras == ()
    greedy = int(agent.act(agent.variables(state), observation)[0])
    for environment in range(2):
        shares = np.bincount(np.asarray(actions)[:, environment], minlength=ACTIONS) / 4_000
        # Random actions include the greedy one: 0.6 + 0.4 / 3; five standard errors are 0.036.
        assert abs(shares[greedy] - (0.6 + 0.4 / 3)) < 0.04
        assert all(abs(share - 0.4 / 3) < 0.04 for i, share in enumerate(shares) if i != greedy)
    # One environment's chance has no part in the other's: agreement as of independent ones.
    agree = (actions[:, 0] == actions[:, 1]).mean()
    assert abs(agree - ((0.6 + 0.4 / 3) ** 2 + 2 * (0.4 / 3) ** 2)) < 0.04


def test_random_actions_are_uniform_in_every_environment() -> None:
    keys = jax.random.split(jax.random.key(0), 3_000)
    actions = np.asarray(jax.vmap(make().random_action)(keys))
    pairs = np.bincount(ACTIONS * actions[:, 0] + actions[:, 1], minlength=ACTIONS**2)
    assert actions.shape == (3_000, 2)
    assert stats.chisquare(pairs).pvalue > 1e-4
