"""Episodes played on the host: ends, cuts, histories, and what the policy sees."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from sparse_rl.envs import make
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.playing.play import play, random_policy
from sparse_rl.spaces import Continuous
from sparse_rl.study.episodes import run_episodes
from tests.playing.counting import COUNTING, DIGITS, RETURN, SEEN


def in_numpy(seen: np.ndarray) -> np.ndarray:
    return (seen[:, 0] @ np.array(DIGITS)).astype(np.int64)


def test_files_films_and_evaluation_see_the_same_stacked_frames() -> None:
    def in_jax(params: jax.Array, seen: jax.Array) -> jax.Array:
        return (seen[:, 0] @ jnp.array(DIGITS, jnp.float32)).astype(jnp.int32)

    keys = jax.random.split(jax.random.key(0), 1)
    assert run_episodes(in_jax, COUNTING, jnp.zeros(1), keys, 2).returns.tolist() == [[RETURN] * 2]
    played = play(in_numpy, COUNTING, 2, seed=0, keep=8, remember=True)
    assert played.returns.tolist() == [RETURN] * 2
    assert sorted(map(tuple, played.observations[:, 0].tolist())) == sorted(SEEN * 2)
    film = [tuple(moment.seen[0, 0].tolist()) for moment in played.history]
    assert film == [*SEEN, (3, 4, 5)]


def test_an_episode_is_the_same_for_the_same_seed_and_policy() -> None:
    env = make("gymnax/CartPole-v1")

    def frames(seed: int) -> np.ndarray:
        history = play(
            random_policy(env.spec, 3), env, 1, seed, most_steps=9, remember=True
        ).history
        return np.stack([moment.frame for moment in history])

    np.testing.assert_array_equal(frames(1), frames(1))
    assert (frames(1)[0] != frames(2)[0]).any()


def test_an_episode_ends_where_the_world_says() -> None:
    env = make("gymnax/CartPole-v1")
    played = play(lambda seen: np.ones(len(seen)), env, 3, seed=0, most_steps=200, remember=True)
    assert played.ended.all() and (played.lengths > 5).all() and (played.lengths < 20).all()
    # CartPole pays 1 per step: a return that went on after the end would be larger.
    np.testing.assert_array_equal(played.returns, played.lengths)
    assert len(played.history) == played.lengths.max() + 1
    longest = int(played.lengths.argmax())
    angle = np.asarray(played.history[-1].state.inner.theta)[longest]
    assert abs(angle) > 12 * 2 * np.pi / 360
    np.testing.assert_array_equal(
        np.sum([moment.reward for moment in played.history], axis=0), played.returns
    )


def test_an_episode_is_cut_off_at_the_most_steps_and_keeps_what_was_asked_for() -> None:
    env = make("gymnax/Pendulum-v1")
    played = play(random_policy(env.spec, 0), env, 4, seed=0, keep=10, most_steps=7)
    assert not played.ended.any() and played.lengths.tolist() == [7] * 4
    assert played.observations.shape == (10, 3)
    assert played.history == ()


def test_actions_in_the_environment_s_own_units_arrive_there() -> None:
    spec = dataclasses.replace(COUNTING.spec, action=Continuous((2.0,), (10.0,)), frame_stack=1)
    paid = JaxEnv(spec, COUNTING.reset_one, pays_its_action)
    played = play(lambda seen: np.full((len(seen), 1), 7.5, np.float32), paid, 2, seed=0)
    assert played.returns.tolist() == [4 * 7.5] * 2


def pays_its_action(key: jax.Array, count: jax.Array, action: jax.Array) -> Transition:
    return Transition(count + 1, (count + 1)[None].astype(jnp.float32), action[0], count < 0)


def test_random_actions_are_in_the_environment_s_own_units() -> None:
    pendulum, cartpole = make("gymnax/Pendulum-v1").spec, make("gymnax/CartPole-v1").spec
    torque = random_policy(pendulum, 0)(np.zeros((2000, 3)))
    assert torque.shape == (2000, 1)
    assert -2 <= torque.min() < -1.9 and 1.9 < torque.max() <= 2
    pushes = random_policy(cartpole, 0)(np.zeros((100, 4)))
    assert set(pushes.tolist()) == {0, 1}
