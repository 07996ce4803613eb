"""The MuJoCo tasks in MJX take the same steps as on the host, which are Gymnasium's.

MJX starts each step from a state that C MuJoCo was in, over episodes of a random policy; benchmarks/
mjx_agreement.py measures more states and free runs. Ant's feet touch the floor in a contact frame
that MJX turns differently, and friction is not quite the same in all directions, so it is
compared where nothing touches.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("gymnasium")

from sparse_rl.envs import make, mujoco_host, mujoco_model  # noqa: E402
from sparse_rl.envs.host import as_doubles  # noqa: E402
from sparse_rl.envs.mujoco_tasks import TASKS  # noqa: E402

slow = pytest.mark.slow
CASES = [
    ("HalfCheetah-v4", 2e-3),
    ("Hopper-v4", 1e-4),
    pytest.param("Walker2d-v4", 1e-3, marks=slow),
    ("Swimmer-v4", 1e-4),
    pytest.param("Ant-v4", 1e-3, marks=slow),
    pytest.param("Humanoid-v4", 1e-2, marks=slow),
    pytest.param("HumanoidStandup-v4", 1e-2, marks=slow),
]


@pytest.mark.parametrize(("task", "tolerance"), CASES)
def test_one_step_from_any_state_is_the_hosts(task: str, tolerance: float) -> None:
    """Largest error of an observation relative to its size, over 8 episodes of 40 steps."""
    batch, steps = 8, 40
    env = mujoco_host.make(task, TASKS[task], 1000)
    model = mujoco_model.load(TASKS[task])
    high = np.float32(env.spec.action.high)
    generator = np.random.default_rng(5)
    inner = {k: np.zeros((batch, *x.shape), x.dtype) for k, x in env.inner.items()}
    nothing = np.zeros((batch, len(high)), np.float32)
    seeds, yes = np.arange(batch, dtype=np.uint32), np.ones(batch, bool)
    inner = env.advance(inner, seeds, yes, nothing).inner

    mjx = make(f"mujoco/{task}?impl=mjx")
    template, _ = jax.eval_shape(mjx.reset, jax.random.split(jax.random.key(0), batch))
    template = jax.tree.map(
        lambda x: (
            jax.random.split(jax.random.key(0), batch)
            if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
            else jnp.zeros(x.shape, x.dtype)
        ),
        template,
    )
    step = jax.jit(mjx.step)
    alive, compared = yes, 0
    for _ in range(steps):
        action = generator.uniform(-1, 1, (batch, len(high))).astype(np.float32)
        _, qpos, qvel, warm = np.split(
            as_doubles(inner["physics"]),
            np.cumsum([1, model.nq, model.nv]),
            axis=1,
        )
        state = template._replace(
            inner={
                "qpos": jnp.float32(qpos),
                "qvel": jnp.float32(qvel),
                "qacc_warmstart": jnp.float32(warm),
                "position": jnp.float32(as_doubles(inner["position"])),
            }
        )
        _, out = step(state, action)
        moved = env.advance(inner, seeds, ~yes, action * high)
        rows = alive
        if task == "Ant-v4":
            rows = rows & (qpos[:, 2] > 0.75)  # high enough that no foot reaches the floor
        error = np.abs(out.observation - moved.observation) / (1 + np.abs(moved.observation))
        assert (error.max(axis=1)[rows] < tolerance).all()
        difference = np.abs(np.asarray(out.reward) - moved.reward) / (1 + np.abs(moved.reward))
        assert (difference[rows] < tolerance).all()
        np.testing.assert_array_equal(np.asarray(out.terminated)[rows], moved.terminated[rows])
        compared += rows.sum()
        alive = alive & ~moved.terminated
        inner = moved.inner
    assert compared > 60


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
