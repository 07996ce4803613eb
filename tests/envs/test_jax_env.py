"""The batched wrapper: next-step reset, independence of the batch, forks, time limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs import VectorEnv, make
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.envs.vector_env import Continuous, EnvSpec

NAMES = [
    "gymnax/CartPole-v1",
    "gymnax/Pendulum-v1?time_limit=7",
    "gymnax/Breakout-MinAtar?sticky=0.1",
    "synthetic/frames",
]


def random_actions(env: VectorEnv, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    if isinstance(env.spec.action, Continuous):
        return jax.random.uniform(key, (*shape, len(env.spec.action.low)), minval=-1.0)
    return jax.random.randint(key, shape, 0, env.spec.action.n)


def rollout(env: VectorEnv, keys: jax.Array, actions: jax.Array) -> tuple:
    """Steps through [time, batch, ...] actions; (first observation, outcomes over time, state)."""

    @jax.jit
    def run(keys, actions):
        state, first = env.reset(keys)
        state, outcomes = jax.lax.scan(lambda s, a: env.step(s, a), state, actions)
        return first, outcomes, state

    return run(keys, actions)


def raw(tree):
    """Random keys as their numbers, so that numpy can compare them."""
    return jax.tree.map(
        lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x,
        tree,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_leaf_of_the_state_has_the_batch_axis_and_a_fixed_type(name: str) -> None:
    env = make(name)
    state, _ = env.reset(jax.random.split(jax.random.key(0), 4))
    after, outcome = env.step(state, random_actions(env, jax.random.key(1), (4,)))
    assert all(leaf.shape[0] == 4 for leaf in jax.tree.leaves(state))
    assert all(leaf.shape[0] == 4 for leaf in jax.tree.leaves(outcome))

    def kinds(tree):
        return jax.tree.map(lambda x: (x.shape, x.dtype, getattr(x, "weak_type", False)), tree)

    assert kinds(state) == kinds(after)


@pytest.mark.parametrize("name", NAMES)
def test_a_fork_continues_as_its_parent_does(name: str) -> None:
    env = make(name)
    keys = jax.random.split(jax.random.key(5), 3)
    *_, state = rollout(env, keys, random_actions(env, jax.random.key(6), (30, 3)))
    parents = jnp.array([2, 0, 2, 1])
    forked = jax.tree.map(lambda x: x[parents], state)
    later = random_actions(env, jax.random.key(7), (40, 3))
    go = jax.jit(lambda s, a: jax.lax.scan(lambda s, a: env.step(s, a), s, a)[1])
    original, copies = go(state, later), go(forked, later[:, parents])
    expected = jax.tree.map(lambda x: x[:, parents], original)
    jax.tree.map(np.testing.assert_array_equal, copies, expected)


def test_next_step_reset_against_a_plain_loop() -> None:
    """The gymnax functions in a Python loop, with the same keys, tell what must be seen."""
    import gymnax

    env = make("gymnax/CartPole-v1?time_limit=12")
    raw_env, parameters = gymnax.make("CartPole-v1")
    key = jax.random.key(11)
    actions = jnp.array([1] * 30 + [1, 0] * 15)  # falls at first, then holds out
    first, outcomes, _ = rollout(env, key[None], actions[:, None])
    step_env, reset_env = jax.jit(raw_env.step_env), jax.jit(raw_env.reset_env)

    key, now = jax.random.split(key)
    observation, state = reset_env(now, parameters)
    np.testing.assert_allclose(first[0], observation, rtol=1e-6)
    elapsed, over, seen = 0, False, set()
    for i, action in enumerate(actions):
        key, now = jax.random.split(key)
        if over:
            observation, state = reset_env(now, parameters)
            expected, elapsed, over = (0.0, False, False, False), 0, False
        else:
            observation, state, reward, terminated, _ = step_env(now, state, action, parameters)
            elapsed += 1
            expected = (float(reward), bool(terminated), elapsed >= 12, True)
            over = expected[1] or expected[2]
        seen.add(expected[1:])
        np.testing.assert_allclose(outcomes.observation[i, 0], observation, rtol=1e-5, atol=1e-6)
        got = tuple(x[i, 0].item() for x in outcomes[1:])
        assert got == pytest.approx(expected), f"step {i}"
    assert (True, False, True) in seen and (False, True, True) in seen, "both ends must occur"


def test_a_step_on_which_no_episode_starts_does_not_reset() -> None:
    """The reset is behind a branch: counted at run time by a callback, not by reading code."""
    resets = []

    def reset_one(key):
        jax.debug.callback(lambda _: resets.append(1), jax.random.key_data(key))
        return jnp.int32(0), jnp.zeros(1)

    def step_one(key, state, action):
        return Transition(state + 1, jnp.ones(1), jnp.float32(1), jnp.bool_(False))

    action = Continuous((-1.0,), (1.0,))
    spec = EnvSpec("test", (1,), np.dtype(np.float32), action, time_limit=4)
    env = JaxEnv(spec, reset_one, step_one)
    rollout(env, jax.random.split(jax.random.key(0), 2), jnp.zeros((9, 2, 1)))
    jax.effects_barrier()
    # Two environments, reset at the start and at the only episode end within nine steps.
    assert len(resets) == 4


def test_continuous_actions_are_clipped_and_rescaled_to_the_bounds() -> None:
    def received(low: float, high: float, action: float) -> np.float32:
        env = _echo(low, high)
        state, _ = env.reset(jax.random.split(jax.random.key(0), 1))
        return np.float32(env.step(state, jnp.array([[action]]))[1].reward[0])

    assert received(-2.0, 2.0, 0.25) == 0.5
    assert received(0.0, 5.0, -1.0) == 0.0
    assert received(0.0, 5.0, 3.0) == 5.0
    assert received(-1.0, 1.0, 0.3) == np.float32(0.3)  # exactly: nothing to rescale


def _echo(low: float, high: float) -> JaxEnv:
    """The reward is the action that arrived."""
    spec = EnvSpec("echo", (1,), np.dtype(np.float32), Continuous((low,), (high,)), 10)
    return JaxEnv(
        spec,
        lambda key: (jnp.int32(0), jnp.zeros(1)),
        lambda key, state, action: Transition(state, jnp.zeros(1), action[0], jnp.bool_(False)),
    )


# Last, because from the first of these on the file compiles as users do.
@pytest.mark.usefixtures("compiled_as_usual")
@pytest.mark.parametrize("name", NAMES)
def test_what_happens_to_one_does_not_depend_on_the_batch(name: str) -> None:
    env = make(name)
    keys = jax.random.split(jax.random.key(3), 5)
    actions = random_actions(env, jax.random.key(4), (60, 5))
    first, outcomes, state = rollout(env, keys, actions)
    assert not outcomes.valid.all(), "the test must see a reset"
    for i in (0, 3):
        alone = rollout(env, keys[i : i + 1], actions[:, i : i + 1])
        mine = (first[i : i + 1], jax.tree.map(lambda x, i=i: x[:, i : i + 1], outcomes))
        jax.tree.map(np.testing.assert_array_equal, alone[:2], mine)
        jax.tree.map(
            np.testing.assert_array_equal,
            raw(alone[2]),
            raw(jax.tree.map(lambda x, i=i: x[i : i + 1], state)),
        )
