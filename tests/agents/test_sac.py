"""SAC against its formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sparse_rl.agents.off_policy import Rhythm
from sparse_rl.agents.options import SACOptions
from sparse_rl.agents.sac import SAC, SACState
from sparse_rl.architecture import Observation, hidden_layers
from sparse_rl.memory.replay import Batch
from sparse_rl.networks import Critic, GaussianActor
from tests.agents.reference import (
    added,
    check_moment,
    first_adam_step,
    gradient,
    leaves,
    norm,
    perceptron,
    scaled,
    to_float64,
    transitions,
    values,
)
from tests.example_networks import gaussian

ACTION, BATCH, RATE, DECAY = 2, 5, 0.01, 0.03
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


@pytest.fixture(scope="module", params=[False, True], ids=["dense critics", "sparse critics"])
def agent(request: pytest.FixtureRequest) -> SAC:
    return SAC(
        config=SACOptions(learning_rate=RATE, weight_decay=DECAY, tau=0.1, initial_temperature=0.7),
        rhythm=RHYTHM,
        actor=GaussianActor(gaussian(3, ACTION, (4,))),
        critic=Critic(Observation((3,)), hidden_layers((4,))),
        observation=jax.ShapeDtypeStruct((3,), jnp.float32),
        action_size=ACTION,
        sparse_critics=request.param,
    )


@pytest.fixture(scope="module")
def state(agent: SAC) -> SACState:
    state = agent.init(jax.random.key(0))
    return state._replace(targets=agent.init(jax.random.key(5)).targets)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return transitions(BATCH, ACTION)


def sampled(
    actor: dict, observation: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Action and log probability by the change of variables, term by term."""
    mean = perceptron(actor, observation, "mean")
    std = np.exp(np.clip(perceptron(actor, observation, "log_std"), -20, 2))
    raw = mean + std * noise
    action = np.tanh(raw)
    density = stats.norm.logpdf(raw, mean, std) - np.log(1 - action**2)
    return action, density.sum(axis=1)


def test_one_update_agrees_with_the_formulas(agent: SAC, state: SACState, batch: Batch) -> None:
    key = jax.random.key(3)
    new, metrics, gradients = jax.jit(agent.update)(state, batch, key, jnp.int32(1))
    now, following = jax.random.split(key)
    noise = np.asarray(jax.random.normal(now, (BATCH, ACTION)), np.float64)
    next_noise = np.asarray(jax.random.normal(following, (BATCH, ACTION)), np.float64)
    data = Batch(*(np.asarray(leaf, np.float64) for leaf in batch))
    actor, critics = to_float64(state.policy.params), to_float64(state.critics.params)
    targets, temperature = to_float64(state.targets), 0.7

    def mean(x: np.ndarray) -> float:
        return float((x * data.weight).sum() / data.weight.sum())

    # Temperature: the loss is on log alpha.
    _, log_prob = sampled(actor, data.observation, noise)
    slope = -(mean(log_prob) - ACTION)
    np.testing.assert_allclose(new.log_temperature, np.log(0.7) - RATE * np.sign(slope), rtol=1e-4)

    # Critics, with the temperature from before.
    next_action, next_log_prob = sampled(actor, data.next_observation, next_noise)
    soft = values(targets, 2, data.next_observation, next_action).min(axis=0)
    goal = data.reward + data.discount * (soft - temperature * next_log_prob)

    def critics_loss(params: dict) -> float:
        errors = values(params, 2, data.observation, data.action) - goal
        return 0.5 * sum(mean(error**2) for error in errors)

    np.testing.assert_allclose(metrics["critic_loss"], critics_loss(critics), rtol=1e-4)
    slopes = added(gradient(critics_loss, critics), scaled(critics, DECAY))
    check_moment(new.critics.optimizer, slopes)
    updated = first_adam_step(critics, slopes, RATE, 1e-8)
    np.testing.assert_allclose(
        leaves(new.critics.params)[1], leaves(updated)[1], rtol=1e-3, atol=1e-4
    )

    # Actor: through the updated critics, with the same noise and the temperature from before.
    stepped = to_float64(jax.device_get(new.critics.params))

    def actor_loss(params: dict) -> float:
        action, log_prob = sampled(params, data.observation, noise)
        lowest = values(stepped, 2, data.observation, action).min(axis=0)
        return mean(temperature * log_prob - lowest)

    np.testing.assert_allclose(metrics["actor_loss"], actor_loss(actor), rtol=1e-4)
    action, _ = sampled(actor, data.observation, noise)
    lowest = values(stepped, 2, data.observation, action).min(axis=0)
    np.testing.assert_allclose(metrics["value"], mean(lowest), rtol=1e-4, atol=1e-6)
    actor_slopes = gradient(actor_loss, actor)
    check_moment(new.policy.optimizer, added(actor_slopes, scaled(actor, DECAY)))
    np.testing.assert_allclose(metrics["temperature"], 0.7, rtol=1e-6)
    np.testing.assert_allclose(metrics["entropy"], -mean(log_prob), rtol=1e-4)

    # What a sparsity method may look at: gradients of the losses, without weight decay.
    assert set(gradients) == set(agent.prunable)
    wanted_gradients = {"policy": actor_slopes, "critics": gradient(critics_loss, critics)}
    for name, metric in (("policy", "gradient_norm"), ("critics", "critic_gradient_norm")):
        np.testing.assert_allclose(metrics[metric], norm(wanted_gradients[name]), rtol=1e-3)
    for name, found_gradients in gradients.items():
        for found, wanted in zip(
            leaves(jax.device_get(found_gradients)), leaves(wanted_gradients[name]), strict=True
        ):
            np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=3e-5)

    # Targets last, from the updated critics.
    blended = added(scaled(stepped, 0.1), scaled(targets, 0.9))
    for found, wanted in zip(leaves(new.targets), leaves(blended), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_rows_without_weight_change_nothing(agent: SAC, state: SACState, batch: Batch) -> None:
    other = batch._replace(
        reward=batch.reward.at[3].set(1e3), observation=batch.observation.at[3].set(7.0)
    )
    key = jax.random.key(4)
    first, *_ = agent.update(state, batch, key, jnp.int32(1))
    second, *_ = agent.update(state, other, key, jnp.int32(1))
    for one, two in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_the_log_probability_does_not_overflow(agent: SAC, state: SACState) -> None:
    params = jax.tree.map(lambda leaf: leaf * 1e3, state.policy.params)
    action, log_prob = agent.draw(params, jnp.ones((1, 3)), jax.random.key(0))
    assert np.isfinite(log_prob).all()
    assert (np.abs(action) <= 1).all()


def test_random_actions_fill_the_box(agent: SAC) -> None:
    keys = jax.random.split(jax.random.key(0), 2_000)
    actions = np.asarray(jax.vmap(agent.random_action)(keys))
    assert actions.shape == (2_000, 2, ACTION)
    np.testing.assert_allclose(actions.mean(axis=0), 0.0, atol=0.07)  # five standard errors
    np.testing.assert_allclose(actions.var(axis=0), 1 / 3, atol=0.04)
    # Neither dimensions nor environments share their chance.
    correlation = np.corrcoef(actions.reshape(2_000, -1).T)
    assert (np.abs(correlation - np.eye(2 * ACTION)) < 0.12).all()


def test_environments_explore_by_chances_of_their_own(agent: SAC, state: SACState) -> None:
    observation = jnp.ones((2, 3))
    action, extras = agent.explore(state, observation, jax.random.key(0), jnp.int32(0))
    assert action.shape == (2, ACTION)
    assert extras == ()
    assert (action[0] != action[1]).all()
