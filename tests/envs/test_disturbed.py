"""A disturbed environment is the same one, seen through noise and acted on later."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs import make
from sparse_rl.envs.disturbed import DisturbedEnv

PENDULUM = "gymnax/Pendulum-v1"
KEYS = jax.random.split(jax.random.key(4), 3)


def disturbed(name: str, noise: float = 0.0, delay: int = 0) -> DisturbedEnv:
    environment = make(name)
    return DisturbedEnv(environment, np.full(environment.spec.observation_shape, noise), delay)


def played(environment, actions, keys=KEYS):
    """First observations, and all outcomes [time, batch, ...]."""
    state, first = environment.reset(keys)
    return first, jax.jit(lambda s, a: jax.lax.scan(environment.step, s, a)[1])(state, actions)


def torques(steps: int) -> jax.Array:
    return jax.random.uniform(jax.random.key(1), (steps, len(KEYS), 1), minval=-1.0)


@pytest.mark.parametrize("delay", [1, 3])
def test_a_delay_is_the_same_actions_later(delay: int) -> None:
    actions = torques(20)
    first, found = played(disturbed(PENDULUM, delay=delay), actions)
    later = jnp.concatenate([jnp.zeros((delay, len(KEYS), 1)), actions[:-delay]])
    expected_first, expected = played(make(PENDULUM), later)
    np.testing.assert_array_equal(first, expected_first)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_no_action_reaches_the_next_episode() -> None:
    name, steps, delay = f"{PENDULUM}?time_limit=6", 14, 2
    actions = torques(steps)
    _, found = played(disturbed(name, delay=delay), actions)
    still = jnp.zeros((delay, len(KEYS), 1))
    # Six steps, a reset whose action is ignored, six steps, another reset.
    episode = jnp.concatenate([still, actions[:4], still[:1]])
    again = jnp.concatenate([still, actions[7:11], still[:1]])
    _, expected = played(make(name), jnp.concatenate([episode, again]))
    assert not found.valid[6].any() and not found.valid[13].any()
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_discrete_action_waits_too() -> None:
    name = "gymnax/CartPole-v1"
    actions = jnp.tile(jnp.array([1, 1, 0, 1, 0, 0])[:, None], (1, len(KEYS)))
    _, found = played(disturbed(name, delay=1), actions)
    later = jnp.concatenate([jnp.zeros((1, len(KEYS)), int), actions[:-1]])
    jax.tree.map(np.testing.assert_array_equal, found, played(make(name), later)[1])


def test_noise_is_seen_and_changes_nothing_else() -> None:
    actions = torques(199)
    environment = make(PENDULUM)
    noise = np.array([0.5, 0.0, 2.0])
    first, found = played(DisturbedEnv(environment, noise, 0), actions)
    expected_first, expected = played(environment, actions)
    np.testing.assert_array_equal(found.reward, expected.reward)
    np.testing.assert_array_equal(found.truncated, expected.truncated)
    errors = np.concatenate(
        [(first - expected_first)[None], found.observation - expected.observation]
    )
    assert (errors[..., 1] == 0).all()
    # 600 draws each: their deviation is within 10 %, three and a half standard errors; and errors
    # of neighbouring steps, and of neighbouring environments, have nothing to do with each other.
    deviation = errors.std(axis=(0, 1))
    np.testing.assert_allclose(deviation[[0, 2]], noise[[0, 2]], rtol=0.1)
    scaled = errors[..., [0, 2]] / noise[[0, 2]]
    assert abs((scaled[1:] * scaled[:-1]).mean()) < 0.15
    assert abs((scaled[:, 1:] * scaled[:, :-1]).mean()) < 0.15
    assert abs((scaled[..., 0] * scaled[..., 1]).mean()) < 0.15


def test_noise_is_of_the_start_and_not_of_the_batch() -> None:
    environment, actions = disturbed(PENDULUM, noise=0.3, delay=1), torques(30)
    first, all_of_them = played(environment, actions)
    alone_first, alone = played(environment, actions[:, 1:2], KEYS[1:2])
    np.testing.assert_allclose(alone_first, first[1:2], rtol=1e-6)
    np.testing.assert_allclose(alone.observation, all_of_them.observation[:, 1:2], rtol=1e-5)
