"""PQN against its formulas in NumPy, and how it decides and slows down."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.tree_utils as otu
import pytest

from sparse_rl.agents.pqn import PQNState, Steps
from sparse_rl.config.error import ConfigError
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.spaces import Outcome
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.study.preparation import build_agent
from tests.agents.on_policy_example import agent_of, configuration
from tests.agents.reference import Tree, dense, gradient, leaves, scaled, to_float64

CLIP = 0.5
OPTIONS = {
    "minibatches": 1,
    "epochs": 1,
    "gradient_clip": CLIP,
    "reward_scale": 0.5,
    "discount": 0.9,
    "learning_rate": 1e-3,
    "learning_rate_last": 2e-4,
}


def q_values(params: Tree, observation: np.ndarray) -> np.ndarray:
    return dense(
        params["params"]["head"], np.tanh(dense(params["params"]["hidden_0"], observation))
    )


def played(agent: Any, state: PQNState) -> tuple[Any, np.ndarray, np.ndarray]:
    """Eight steps of two environments: a termination, a time-out, and what follows them.

    The memory, observations [9, 2, 3] and actions [8, 2].
    """
    seen = jax.random.normal(jax.random.key(9), (9, 2, 3))
    state, memory = agent.begin(state, seen[0], jnp.int32(0))
    actions = []
    for t in range(8):
        clock = jnp.int32(2 * t)
        action, extras = agent.explore(state, seen[t], jax.random.key(t), clock)
        terminated, truncated = jnp.array([t == 2, False]), jnp.array([False, t == 4])
        valid = jnp.array([t != 3, t != 5])
        outcome = Outcome(seen[t + 1], jnp.full(2, t + 1.0) * valid, terminated, truncated, valid)
        state, memory = agent.remember(state, memory, clock, action, extras, outcome)
        actions.append(np.asarray(action))
    return memory, np.asarray(seen, np.float64), np.stack(actions)


def test_one_update_agrees_with_the_formulas() -> None:
    """Lambda returns, the loss, its gradient and its clip, and RAdam's first moment."""
    agent = agent_of("pqn", "discrete", **OPTIONS)
    state = agent.init(jax.random.key(0))
    memory, seen, action = played(agent, state)
    learned = jax.jit(agent.learn)(state, memory, jax.random.key(5), jnp.int32(16))
    params = to_float64(state.policy.params)
    largest = q_values(params, seen.reshape(-1, 3)).max(axis=1).reshape(9, 2)

    target, valid = np.zeros((8, 2)), np.ones((8, 2), bool)
    valid[3, 0] = valid[5, 1] = False
    for e in range(2):
        later = largest[8, e]
        for t in reversed(range(8)):
            mixed = 0.35 * largest[t + 1, e] + 0.65 * later
            if (t, e) == (4, 1):
                mixed = largest[5, 1]
            if (t, e) == (2, 0):
                mixed = 0.0
            later = target[t, e] = 0.5 * (t + 1) * valid[t, e] + 0.9 * mixed

    def loss(params: Tree) -> float:
        values = q_values(params, seen[:8].reshape(-1, 3))
        chosen = values[np.arange(16), action.ravel()].reshape(8, 2)
        return float(0.5 * ((target - chosen)[valid] ** 2).mean())

    np.testing.assert_allclose(learned.metrics["loss"], loss(params), rtol=1e-4)
    slope = gradient(loss, params)
    for found, wanted in zip(
        leaves(jax.device_get(learned.gradients["policy"])), leaves(slope), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=3e-5)
    norm = np.sqrt(sum((leaf**2).sum() for leaf in leaves(slope)))
    assert norm > CLIP, "the clip must clip"
    clipped = scaled(slope, CLIP / norm)
    moments = leaves(jax.device_get(otu.tree_get(learned.state.policy.optimizer, "mu")))
    for found, wanted in zip(moments, leaves(clipped), strict=True):
        np.testing.assert_allclose(found / 0.1, wanted, rtol=2e-3, atol=3e-5)
    # RAdam's first steps have too few squares to divide by: they go along the first moment.
    for new, old, wanted in zip(
        leaves(jax.device_get(learned.state.policy.params)),
        leaves(params),
        leaves(clipped),
        strict=True,
    ):
        np.testing.assert_allclose(new, old - 1e-3 * wanted, rtol=1e-4, atol=1e-6)


def test_many_steps_are_those_of_radam() -> None:
    """Also beyond the first five, where the variance of the squares has become tractable."""
    agent = agent_of("pqn", "discrete", **(OPTIONS | {"epochs": 12}))
    state = agent.init(jax.random.key(0))
    memory, _, _ = played(agent, state)
    learned = jax.jit(agent.learn)(state, memory, jax.random.key(5), jnp.int32(16))
    batch, _ = agent.collected(state, memory, jnp.int32(16))
    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), optax.radam(1e-3))
    params, moments = state.policy.params, optimizer.init(state.policy.params)

    @jax.jit
    def step(params: Any, moments: Any) -> Any:
        _, slope = agent.gradients(params, (), batch)
        update, moments = optimizer.update(slope, moments, params)
        return optax.apply_updates(params, update), moments

    for _ in range(12):
        params, moments = step(params, moments)
    for found, wanted in zip(
        jax.tree.leaves(learned.state.policy.params), jax.tree.leaves(params), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_every_epoch_sees_every_step_once() -> None:
    """Next to nothing is learned, so that the mean of all batches is the loss of the rollout."""
    options = {"learning_rate": 1e-12, "learning_rate_last": 0.0, "minibatches": 4, "epochs": 2}
    agent = agent_of("pqn", "discrete", **(OPTIONS | options))
    state = agent.init(jax.random.key(0))
    memory, _, _ = played(agent, state)
    batch, _ = agent.collected(state, memory, jnp.int32(16))
    batch = batch._replace(weight=jnp.ones(16))
    parts = jax.tree.map(lambda leaf: leaf.reshape(4, 4, *leaf.shape[1:]), batch)
    metrics, _ = jax.vmap(lambda part: agent.gradients(state.policy.params, (), part))(parts)
    whole, _ = agent.gradients(state.policy.params, (), batch)
    np.testing.assert_allclose(metrics["loss"].mean(), whole["loss"], rtol=1e-5)
    learned = jax.jit(agent.learn)(state, memory, jax.random.key(5), jnp.int32(16))
    assert otu.tree_get(learned.state.policy.optimizer, "count") == 8


def test_dead_weights_stay_zero() -> None:
    agent = agent_of("pqn", "discrete", **(OPTIONS | {"minibatches": 4, "epochs": 3}))
    state = agent.init(jax.random.key(0))
    scores = jax.tree.map(jnp.abs, state.policy.params)
    masks = mask_rules.prune_per_layer(state.policy.masks, scores, jnp.array([3, 7]))
    state = state._replace(policy=state.policy.with_masks(masks))
    memory, _, _ = played(agent, state)
    key = jax.random.key(6)  # its last batch has both actions
    learned = jax.jit(agent.learn)(state, memory, key, jnp.int32(16))
    policy = learned.state.policy
    for part in (policy.params, otu.tree_get(policy.optimizer, "mu")):
        for name, dead in (("hidden_0", 7), ("head", 3)):
            kernel, mask = part["params"][name]["kernel"], masks["params"][name]["kernel"]
            assert (~mask).sum() == dead and (np.asarray(kernel)[~np.asarray(mask)] == 0).all()
            assert np.asarray(kernel).any()
    dense_gradient = learned.gradients["policy"]["params"]["head"]["kernel"]
    assert (np.asarray(dense_gradient) != 0).all()


def test_step_size_and_epsilon_fall_over_the_steps_of_training() -> None:
    agent = agent_of("pqn", "discrete", **OPTIONS, exploration_fraction=0.5, exploration_last=0.1)
    clocks = jnp.array([0, 2_000, 4_000, 8_000, 9_600])
    rates = jax.vmap(agent.learning_rate)(clocks)
    np.testing.assert_allclose(rates, [1e-3, 8e-4, 6e-4, 2e-4, 2e-4], rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(agent.epsilon)(clocks), [1, 0.55, 0.1, 0.1, 0.1], rtol=1e-5)
    state = agent.init(jax.random.key(0))
    observation = jax.random.normal(jax.random.key(1), (2, 3))
    keys = jax.random.split(jax.random.key(2), 2_000)
    action, _ = jax.vmap(lambda key: agent.explore(state, observation, key, jnp.int32(4_000)))(keys)
    greedy = agent.act(agent.variables(state), observation)
    # A tenth is random, and half of that is the greedy action again: five standard errors.
    np.testing.assert_allclose((action != greedy).mean(), 0.05, atol=0.018)


def test_a_rollout_without_weight_teaches_nothing() -> None:
    agent = agent_of("pqn", "discrete", **OPTIONS)
    state = agent.init(jax.random.key(0))
    nothing = Steps(jnp.ones((4, 3)), jnp.zeros(4, jnp.int32), jnp.full(4, 9.0), jnp.zeros(4))
    metrics, slope = agent.gradients(state.policy.params, (), nothing)
    assert metrics["loss"] == 0 and not any(leaf.any() for leaf in jax.tree.leaves(slope))


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r"^agent.minibatches: found 5; allowed: a divisor of .*"):
        configuration("pqn", False, minibatches=5)
    pendulum = make("gymnax/Pendulum-v1").spec
    with pytest.raises(ConfigError) as caught:
        build_agent(configuration("pqn", False, **OPTIONS), pendulum, FLOAT32)
    assert str(caught.value) == (
        "agent.name: pqn needs discrete actions and gymnax/Pendulum-v1 has continuous ones; "
        "allowed: sac, td3, ddpg, ppo, a2c, trpo, reinforce"
    )
