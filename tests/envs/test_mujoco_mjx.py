"""The MuJoCo tasks in MJX take the same steps as on the host, which are Gymnasium's.

MJX starts each step from a state that C MuJoCo was in, over episodes of a random policy. To
compile MJX is slow, so only tasks that differ in kind stand here; all of them, and free runs, are
measured by benchmarks/mjx_agreement.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("gymnasium")

from sparse_rl.envs import make, mujoco_host, mujoco_mjx, mujoco_model
from sparse_rl.envs.host import as_doubles
from sparse_rl.envs.mujoco_tasks import TASKS

CASES = [
    ("Hopper-v4", 1.0, 1e-4),  # contacts, and episodes that end
    # Forces among the observations. C MuJoCo's solver (PGS, 50 iterations) is itself not exact
    # in the hardest landings, so a few steps may differ.
    pytest.param("Humanoid-v4", 0.95, 1e-2, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("task", "share", "tolerance"), CASES)
def test_one_step_from_any_state_is_the_hosts(task: str, share: float, tolerance: float) -> None:
    """Errors relative to size, over the states of 8 episodes; a share must be within tolerance."""
    batch, steps = 8, 30
    env = mujoco_host.make(task, TASKS[task], 1000)
    model = mujoco_model.load(TASKS[task])
    high = np.float32(env.spec.action.high)
    generator = np.random.default_rng(5)
    inner = {k: np.zeros((batch, *x.shape), x.dtype) for k, x in env.inner.items()}
    nothing = np.zeros((batch, len(high)), np.float32)
    seeds, yes = np.arange(batch, dtype=np.uint32), np.ones(batch, bool)
    inner = env.advance(inner, seeds, yes, nothing).inner

    mjx = mujoco_mjx.make(task, TASKS[task], 1000)
    step = jax.jit(jax.vmap(lambda state, action: mjx.step_one(None, state, action)))
    alive, errors = yes, []
    for _ in range(steps):
        action = generator.uniform(-1, 1, (batch, len(high))).astype(np.float32)
        _, qpos, qvel, warm = np.split(
            as_doubles(inner["physics"]),
            np.cumsum([1, model.nq, model.nv]),
            axis=1,
        )
        state = {
            "qpos": jnp.float32(qpos),
            "qvel": jnp.float32(qvel),
            "qacc_warmstart": jnp.float32(warm),
            "position": jnp.float32(as_doubles(inner["position"])),
        }
        out = step(state, action * high)
        moved = env.advance(inner, seeds, ~yes, action * high)
        error = np.abs(out.observation - moved.observation) / (1 + np.abs(moved.observation))
        of_reward = np.abs(np.asarray(out.reward) - moved.reward) / (1 + np.abs(moved.reward))
        errors.append(np.maximum(error.max(axis=1), of_reward)[alive])
        np.testing.assert_array_equal(np.asarray(out.terminated)[alive], moved.terminated[alive])
        alive = alive & ~moved.terminated
        inner = moved.inner
    every = np.concatenate(errors)
    assert len(every) > 60
    assert np.quantile(every, share) < tolerance


def test_an_ant_is_paid_for_where_its_torso_is() -> None:
    """Its first joint, which is free, says where that is; legs that move are elsewhere."""
    ant = mujoco_mjx.make("Ant-v4", TASKS["Ant-v4"], 1000)
    state, _ = jax.jit(ant.reset_one)(jax.random.key(0))
    np.testing.assert_allclose(state["position"], state["qpos"][:2], atol=1e-6)
    assert (np.abs(state["qpos"][:2]) > 1e-3).all(), "it is not at the world's origin"


def test_the_swimmer_floats_in_a_fluid() -> None:
    """MJX's fluid asks jax.numpy for keywords of old; traced only, which is where it would fail."""
    env = make("mujoco/Swimmer-v4?impl=mjx")
    state, _ = jax.eval_shape(env.reset, jax.random.split(jax.random.key(0), 2))
    _, out = jax.eval_shape(env.step, state, jnp.zeros((2, 2)))
    assert out.observation.shape == (2, 8)


def test_episodes_start_as_on_the_host() -> None:
    """The same distribution: uniform positions, normal velocities of the right width."""
    mjx, host = make("mujoco/HalfCheetah-v4?impl=mjx"), make("mujoco/HalfCheetah-v4?impl=host")
    keys = jax.random.split(jax.random.key(0), 400)
    _, first = jax.jit(mjx.reset)(keys)
    _, expected = jax.jit(host.reset)(keys)
    assert np.abs(first[:, :8]).max() <= 0.1 and np.abs(expected[:, :8]).max() <= 0.1
    # Standard deviations of 400 x 8 draws: relative error about 1 / sqrt(6400).
    for columns, width in ((slice(0, 8), 0.1 / np.sqrt(3)), (slice(8, 17), 0.1)):
        for observations in (first, expected):
            assert np.std(observations[:, columns]) == pytest.approx(width, rel=0.06)
