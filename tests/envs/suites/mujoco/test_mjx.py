"""The MuJoCo tasks in MJX take the same steps as on the host, which are Gymnasium's.

MJX starts each step from a state that C MuJoCo was in, over episodes of a random policy. To
compile MJX is slow, so one task does it here, and another makes of C MuJoCo's steps what its policy
sees; all of them, and free runs, are measured by benchmarks/mjx_agreement.py.
"""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mujoco import mjx as simulator

pytest.importorskip("gymnasium")

from sparse_rl.envs import make
from sparse_rl.envs.host import as_doubles
from sparse_rl.envs.suites.mujoco import host as mujoco_host
from sparse_rl.envs.suites.mujoco import mjx as mujoco_mjx
from sparse_rl.envs.suites.mujoco import model as mujoco_model
from sparse_rl.envs.suites.mujoco.tasks import TASKS

STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS | mujoco.mjtState.mjSTATE_WARMSTART
"""What the host keeps of an environment."""


def test_one_step_from_any_state_is_the_hosts() -> None:
    """Hopper, with contacts, and episodes that end: relative errors over the states of 8."""
    task, tolerance = "Hopper-v4", 1e-4
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
    assert every.max() < tolerance


def test_a_humanoid_that_made_the_hosts_step_shows_what_the_host_does() -> None:
    """Forces among the observations, those of contacts by MJX, and the reward of a mass centre.

    MJX's own step, of which the host's has the place here, takes most of a minute to compile.
    """
    task, episodes, steps = TASKS["Humanoid-v4"], 4, 25
    env, mjx = (kind.make("Humanoid-v4", task, 1000) for kind in (mujoco_host, mujoco_mjx))
    model, seeds = mujoco_model.load(task), np.arange(episodes, dtype=np.uint32)
    data = mujoco.MjData(model)
    model_of_mjx = mujoco_model.load(task)
    model_of_mjx.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON

    @jax.jit
    def after(moved, before, action):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulator, "step", lambda _, data: moved)
            return mjx.step_one(None, before, action)

    inner = {name: np.zeros((episodes, *x.shape), x.dtype) for name, x in env.inner.items()}
    generator, yes = np.random.default_rng(5), np.ones(episodes, bool)
    inner = env.advance(inner, seeds, yes, np.zeros((episodes, model.nu), np.float32)).inner
    errors, ended = [], 0
    for _ in range(steps):
        action = generator.uniform(-0.4, 0.4, (episodes, model.nu)).astype(np.float32)
        before = {name: values.copy() for name, values in inner.items()}
        host = env.advance(inner, seeds, ~yes, action)
        for i in range(episodes):
            mujoco.mj_setState(model, data, as_doubles(before["physics"])[i], STATE)
            data.ctrl[:] = action[i]
            mujoco.mj_step(model, data, nstep=task.frame_skip)
            moved = simulator.put_data(model_of_mjx, data)
            rest = {"qpos": moved.qpos, "qvel": moved.qvel, "qacc_warmstart": moved.qacc_warmstart}
            position = jnp.float32(as_doubles(before["position"])[i])
            out = after(moved, rest | {"position": position}, action[i])
            errors.append(relative(out.observation, host.observation[i]))
            errors.append(relative(out.reward, host.reward[i]))
            assert bool(out.terminated) == bool(host.terminated[i])
        ended += int(host.terminated.sum())
        inner = host.inner
    assert ended > 0, "both of what can be said of an end"
    assert len(errors) == 2 * episodes * steps and max(errors) < 1e-4


def relative(found: jax.Array, expected: np.ndarray) -> float:
    return float(np.max(np.abs(np.asarray(found) - expected) / (1 + np.abs(expected))))


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
