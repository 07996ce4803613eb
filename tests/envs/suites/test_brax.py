"""brax through the adapter is brax: same numbers, step by step, and the swimmer swims."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs import make

TASKS = {"halfcheetah": 17, "hopper": 11, "walker2d": 17, "ant": 27, "humanoid": 244, "swimmer": 8}


@pytest.mark.parametrize(("name", "steps"), [("hopper", 40), ("swimmer", 12)])
def test_same_numbers_as_brax(name: str, steps: int) -> None:
    env = make(f"brax/{name}")
    from brax import envs

    backend = "generalized" if name == "swimmer" else "spring"
    raw = envs.get_environment(name, backend=backend)
    key = jax.random.key(7)
    actions = jax.random.uniform(key, (steps, raw.action_size), minval=-1.0)

    state, first = jax.jit(env.reset)(key[None])
    _, out = jax.jit(lambda s, a: jax.lax.scan(env.step, s, a))(state, actions[:, None])

    expected = jax.jit(raw.reset)(jax.random.split(key)[1])
    np.testing.assert_allclose(first[0], expected.obs, rtol=1e-5, atol=1e-6)
    step = jax.jit(raw.step)
    for i, action in enumerate(actions):
        expected = step(expected, action)
        assert bool(out.terminated[i, 0]) == bool(expected.done)
        np.testing.assert_allclose(out.observation[i, 0], expected.obs, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(out.reward[i, 0], expected.reward, rtol=1e-3, atol=1e-4)
        if expected.done:
            break
    assert i > 5
    if i + 1 < steps:  # the hopper falls: a reset follows the true last observation
        assert not out.valid[i + 1, 0] and out.reward[i + 1, 0] == 0
        assert np.abs(out.observation[i + 1, 0] - out.observation[i, 0]).max() > 0.1


def test_the_swimmer_floats_in_a_fluid() -> None:
    """The old keywords of `clip` mean what they meant."""
    import brax.fluid

    make("brax/swimmer")
    x = jnp.array([-2.0, 0.5, 3.0])
    np.testing.assert_array_equal(brax.fluid.jp.clip(x, a_min=0.0), [0.0, 0.5, 3.0])
    np.testing.assert_array_equal(brax.fluid.jp.clip(x, a_max=1.0), [-2.0, 0.5, 1.0])
    assert brax.fluid.jp.sqrt is jnp.sqrt


@pytest.mark.parametrize("name", TASKS)
def test_tasks_have_their_shapes(name: str) -> None:
    """All six, and the episode limit; nothing is compiled."""
    env = make(f"brax/{name}")
    assert env.spec.observation_shape == (TASKS[name],)
    assert env.spec.time_limit == 1000
    state, _ = jax.eval_shape(env.reset, jax.random.split(jax.random.key(0), 2))
    _, out = jax.eval_shape(env.step, state, jnp.zeros((2, len(env.spec.action.low))))
    assert out.observation.shape == (2, TASKS[name])
