"""Episodes that are played once: the same numbers as ever up to the end, and rest after it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("gymnasium")

from sparse_rl.envs import make
from sparse_rl.envs.disturbed import DisturbedEnv
from sparse_rl.envs.host import HostEnv
from sparse_rl.envs.once import once
from sparse_rl.playing.play import play

KEYS = jax.random.split(jax.random.key(5), 4)
STEPS = 120


def host(identifier: str) -> HostEnv:
    environment = make(identifier)
    assert isinstance(environment, HostEnv)
    return environment


def pushes(environment: HostEnv) -> jax.Array:
    """Actions of each row: two rows always push one way, and fall; two take turns."""
    turn = jnp.arange(STEPS) % 2
    rows = jnp.stack([turn, jnp.ones(STEPS, int), turn, jnp.zeros(STEPS, int)], 1)
    space = environment.spec.action
    if hasattr(space, "low"):
        return jnp.tile((2.0 * rows - 1.0)[..., None], len(space.low))
    return rows


def played(environment, actions):
    state, first = environment.reset(KEYS)
    scan = jax.jit(lambda s, a: jax.lax.scan(environment.step, s, a))
    return first, *scan(state, actions)


@pytest.mark.parametrize(
    "name", ["gymnasium/CartPole-v1?time_limit=80", "mujoco/Hopper-v4?impl=host&time_limit=80"]
)
def test_nothing_differs_up_to_the_end_and_then_all_rests(name: str) -> None:
    if name.startswith("mujoco"):
        pytest.importorskip("mujoco")
    environment = host(name)
    actions = pushes(environment)
    first, _, expected = played(environment, actions)
    again, state, found = played(once(environment), actions)
    np.testing.assert_array_equal(first, again)
    ends = np.asarray(expected.terminated | expected.truncated)
    length = ends.argmax(0) + 1
    assert ends.any(0).all() and len(set(length.tolist())) >= 2
    for row, last in enumerate(length):
        for theirs, ours in zip(expected, found, strict=True):
            np.testing.assert_array_equal(theirs[:last, row], ours[:last, row])
        assert not found.valid[last:, row].any() and not found.reward[last:, row].any()
        assert not (found.terminated | found.truncated)[last:, row].any()
    assert state.ended.all()


def test_what_has_ended_is_not_stepped() -> None:
    environment = host("gymnasium/CartPole-v1?time_limit=80")
    asked = []

    def counting(inner, seed, restart, action):
        asked.append(len(restart))
        return environment.advance(inner, seed, restart, action)

    counted = HostEnv(environment.spec, environment.inner, counting)
    lengths = play(lambda seen: np.arange(len(seen)) % 2, counted, 6, seed=1).lengths
    assert asked[0] == 6  # the starts
    assert asked[1:] == [int((lengths > t).sum()) for t in range(lengths.max())]


def test_a_disturbed_one_rests_inside_and_one_in_jax_is_itself() -> None:
    inside = host("gymnasium/CartPole-v1")
    outside = once(DisturbedEnv(inside, np.zeros(4), 2))
    assert isinstance(outside, DisturbedEnv) and outside.environment is once(inside)
    assert once(make("gymnax/CartPole-v1")) is make("gymnax/CartPole-v1")
