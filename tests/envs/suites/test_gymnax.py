"""gymnax through the adapter is gymnax: same numbers, step by step."""

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs import Continuous, Discrete, make
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.envs.suites.gymnax import names, with_sticky_actions
from sparse_rl.envs.vector_env import EnvSpec

MINATAR = ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"]


def unbatched(identifier: str, key, actions):
    """gymnax's own functions over an episode without end: (observations, rewards, terminated)."""
    env, parameters = gymnax.make(identifier)

    def step(carry, action):
        key, state = carry
        key, now = jax.random.split(key)
        observation, state, reward, terminated, _ = env.step_env(now, state, action, parameters)
        return (key, state), (observation, reward, terminated)

    key, now = jax.random.split(key)
    first, state = env.reset_env(now, parameters)
    return first, jax.lax.scan(step, (key, state), actions)[1]


@pytest.mark.parametrize("identifier", ["Pendulum-v1", "Acrobot-v1", "PointRobot-misc"])
@pytest.mark.parametrize("seed", [0, 1])
def test_same_numbers_as_gymnax(identifier: str, seed: int) -> None:
    env = make(f"gymnax/{identifier}")
    keys = jax.random.split(jax.random.key(seed), 2)
    if isinstance(env.spec.action, Continuous):
        high = jnp.array(env.spec.action.high)
        actions = jax.random.uniform(keys[0], (50, len(high)), minval=-1.0)
        own_units = actions * high
    else:
        actions = own_units = jax.random.randint(keys[0], (50,), 0, env.spec.action.n)

    state, first = jax.jit(env.reset)(keys)
    both = jnp.stack([actions, actions], axis=1)
    _, outcomes = jax.jit(lambda s, a: jax.lax.scan(env.step, s, a))(state, both)
    for i in (0, 1):
        expected = jax.jit(unbatched, static_argnums=0)(identifier, keys[i], own_units)
        np.testing.assert_allclose(first[i], expected[0], rtol=1e-6)
        observations, rewards, terminated = expected[1]
        assert not terminated.any()
        np.testing.assert_allclose(outcomes.observation[:, i], observations, rtol=2e-4, atol=1e-5)
        np.testing.assert_allclose(outcomes.reward[:, i], rewards, rtol=2e-4, atol=1e-5)
        assert outcomes.valid.all() and not outcomes.terminated.any()


@pytest.mark.parametrize("game", MINATAR)
def test_minatar_planes_are_gymnax_planes(game: str) -> None:
    env = make(f"gymnax/{game}-MinAtar")
    key = jax.random.key(2)
    actions = jax.random.randint(key, (80,), 0, env.spec.action.n)
    first, (observations, rewards, terminated) = jax.jit(unbatched, static_argnums=0)(
        f"{game}-MinAtar", key, actions
    )
    state, mine = jax.jit(env.reset)(key[None])
    _, out = jax.jit(lambda s, a: jax.lax.scan(env.step, s, a))(state, actions[:, None])
    until = int(jnp.argmax(terminated)) + 1 if terminated.any() else 80
    assert mine.dtype == bool and mine.shape[1:] == env.spec.observation_shape == first.shape
    assert set(np.unique(observations)) == {0.0, 1.0}  # so nothing is lost by storing truth
    np.testing.assert_array_equal(mine[0], first)
    np.testing.assert_array_equal(out.observation[:until, 0], observations[:until])
    np.testing.assert_array_equal(out.reward[:until, 0], rewards[:until])
    np.testing.assert_array_equal(out.terminated[:until, 0], terminated[:until])


def test_time_limit_is_truncation() -> None:
    env = make("gymnax/Pendulum-v1")
    state, _ = env.reset(jax.random.split(jax.random.key(0), 3))
    _, out = jax.jit(lambda s, a: jax.lax.scan(env.step, s, a))(state, jnp.zeros((403, 3, 1)))
    np.testing.assert_array_equal(np.flatnonzero(out.truncated[:, 0]), [199, 400])
    np.testing.assert_array_equal(np.flatnonzero(~out.valid[:, 1]), [200, 401])
    assert not out.terminated.any() and (out.reward[200] == 0).all()


def test_every_environment_can_be_made() -> None:
    """Shapes only; nothing is compiled."""
    for identifier in names("gymnax"):
        env = make(f"gymnax/{identifier}")
        keys = jax.random.split(jax.random.key(0), 2)
        state, observation = jax.eval_shape(env.reset, keys)
        if isinstance(env.spec.action, Discrete):
            action = jnp.zeros(2, int)
        else:
            action = jnp.zeros((2, len(env.spec.action.low)))
            assert np.isfinite(env.spec.action.low + env.spec.action.high).all()
        _, out = jax.eval_shape(env.step, state, action)
        assert out.observation.shape == observation.shape == (2, *env.spec.observation_shape)
        assert out.observation.dtype == observation.dtype == env.spec.observation_dtype


def test_sticky_actions_repeat_the_action_before() -> None:
    """An environment whose reward is the action played: how often is it not the one asked?"""
    spec = EnvSpec("echo", (1,), np.dtype(np.float32), Discrete(10_000), 100_000)
    echo = JaxEnv(
        spec,
        lambda key: (jnp.int32(0), jnp.zeros(1)),
        lambda key, s, a: Transition(s, jnp.zeros(1), a.astype(jnp.float32), jnp.bool_(False)),
    )
    env = with_sticky_actions(echo, 0.1)
    asked = jnp.arange(1, 5001)
    state, _ = env.reset(jax.random.key(0)[None])
    _, out = jax.jit(lambda s, a: jax.lax.scan(env.step, s, a))(state, asked[:, None])
    played = np.asarray(out.reward[:, 0]).astype(int)
    repeated = played != asked
    before = np.concatenate([[0], played[:-1]])
    np.testing.assert_array_equal(played[repeated], before[repeated])
    # Binomial(5000, 0.1): the standard deviation of the rate is 0.0042.
    assert repeated.mean() == pytest.approx(0.1, abs=0.017)


def test_full_action_set() -> None:
    assert make("gymnax/Breakout-MinAtar").spec.action == Discrete(3)
    assert make("gymnax/Breakout-MinAtar?actions=full").spec.action == Discrete(6)
