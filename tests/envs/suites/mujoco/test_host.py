"""The MuJoCo tasks on the host are Gymnasium's v4 tasks, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("imageio", reason="Gymnasium's MuJoCo tasks need the extra mujoco")

from sparse_rl.envs import episodes, make  # noqa: E402
from sparse_rl.envs.host import as_doubles, as_words  # noqa: E402
from sparse_rl.envs.suites.mujoco.tasks import TASKS  # noqa: E402


def seeds(keys: jax.Array) -> np.ndarray:
    """The seeds from which the environments with these keys would restart now."""
    now = episodes.split(keys)[1]
    return np.asarray(jax.vmap(lambda key: jax.random.bits(key, (), jnp.uint32))(now))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*out of date.*")
def test_same_numbers_as_gymnasium(task: str) -> None:
    """Observations equal as float32, rewards to float32's precision, ends and resets the same."""
    env = make(f"mujoco/{task}?impl=host&time_limit=120")
    own = gymnasium.make(task, max_episode_steps=120)
    high = np.float32(env.spec.action.high)
    np.testing.assert_array_equal(high, own.action_space.high)
    actions = np.random.default_rng(3).uniform(-1, 1, (150, 2, len(high))).astype(np.float32)
    keys = jax.random.split(jax.random.key(1), 2)
    state, first = jax.jit(env.reset)(keys)
    expected, _ = own.reset(seed=int(seeds(keys)[0]))
    np.testing.assert_array_equal(first[0], np.float32(expected))
    step, ends = jax.jit(env.step), 0
    for action in actions:
        before = state
        state, out = step(state, action)
        if before.ended[0]:
            expected, _ = own.reset(seed=int(seeds(before.key)[0]))
            reward, terminated, truncated = 0.0, False, False
        else:
            expected, reward, terminated, truncated, _ = own.step(action[0] * high)
        np.testing.assert_array_equal(out.observation[0], np.float32(expected))
        np.testing.assert_allclose(out.reward[0], reward, rtol=1e-6, atol=1e-6)
        assert (bool(out.terminated[0]), bool(out.truncated[0])) == (terminated, truncated)
        ends += terminated or truncated
    assert ends >= 1


@pytest.mark.parametrize("task", ["Hopper-v4", "Ant-v4", "Humanoid-v4"])
def test_forks_and_a_resumed_process_continue_exactly(task: str) -> None:
    name = f"mujoco/{task}?impl=host"
    env = make(name)
    size = len(env.spec.action.high)
    actions = np.random.default_rng(0).uniform(-1, 1, (90, 3, size)).astype(np.float32)
    run = jax.jit(lambda e, s, a: jax.lax.scan(e.step, s, a), static_argnums=0)
    state, _ = env.reset(jax.random.split(jax.random.key(2), 3))
    saved, _ = run(env, state, actions[:30])
    _, expected = run(env, saved, actions[30:])
    parents = jnp.array([1, 1, 0, 2])
    forked = jax.tree.map(lambda x: x[parents], saved)
    _, copies = run(env, forked, actions[30:, parents])
    wanted = jax.tree.map(lambda x: x[:, parents], expected)
    jax.tree.map(np.testing.assert_array_equal, copies, wanted)
    make.cache_clear()  # another process knows nothing but the state
    _, resumed = run(make(name), saved, actions[30:])
    jax.tree.map(np.testing.assert_array_equal, resumed, expected)


def test_what_happens_to_one_does_not_depend_on_the_batch() -> None:
    env = make("mujoco/Hopper-v4?impl=host")
    keys = jax.random.split(jax.random.key(3), 5)
    actions = np.random.default_rng(0).uniform(-1, 1, (60, 5, 3)).astype(np.float32)
    run = jax.jit(lambda k, a: jax.lax.scan(env.step, env.reset(k)[0], a)[1])
    outcomes, alone = run(keys, actions), run(keys[2:3], actions[:, 2:3])
    assert not alone.valid.all()
    jax.tree.map(np.testing.assert_array_equal, alone, jax.tree.map(lambda x: x[:, 2:3], outcomes))


def test_doubles_survive_as_words() -> None:
    values = np.random.default_rng(0).normal(size=(3, 5)) * 10.0 ** np.arange(-200, 50, 50)
    np.testing.assert_array_equal(as_doubles(as_words(values)), values)


def test_auto_is_the_host_where_jax_runs_on_the_cpu() -> None:
    if jax.default_backend() != "cpu":
        pytest.skip("needs JAX on the CPU")
    auto = make("mujoco/Hopper-v4")
    assert type(auto) is type(make("mujoco/Hopper-v4?impl=host"))
    assert type(auto) is not type(make("mujoco/Hopper-v4?impl=mjx"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*out of date.*")
def test_other_masses_and_frictions_are_those_of_a_gymnasium_model_with_them() -> None:
    import mujoco

    env = make("mujoco/Hopper-v4?impl=host&mass=1.5&friction=0.4")
    own = gymnasium.make("Hopper-v4")
    model = own.unwrapped.model
    for body in range(model.nbody):
        model.body_mass[body] *= 1.5
        model.body_inertia[body] *= 1.5
    for surface in range(model.ngeom):
        model.geom_friction[surface, 0] *= 0.4
    mujoco.mj_setConst(model, mujoco.MjData(model))
    keys = jax.random.split(jax.random.key(5), 1)
    state, first = env.reset(keys)
    expected, _ = own.reset(seed=int(seeds(keys)[0]))
    np.testing.assert_array_equal(first[0], np.float32(expected))
    plain, _ = make("mujoco/Hopper-v4?impl=host").reset(keys)
    step, other, gap = jax.jit(env.step), jax.jit(make("mujoco/Hopper-v4?impl=host").step), 0.0
    for action in np.random.default_rng(0).uniform(-1, 1, (12, 1, 3)).astype(np.float32):
        state, out = step(state, action)
        plain, before = other(plain, action)
        expected, reward, *_ = own.step(action[0])
        np.testing.assert_array_equal(out.observation[0], np.float32(expected))
        np.testing.assert_allclose(out.reward[0], reward, rtol=1e-6)
        gap = max(gap, float(np.abs(out.observation - before.observation).max()))
    assert gap > 0.1  # another world than Gymnasium's
