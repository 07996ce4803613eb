"""Evaluation: whole episodes, their true returns, independent of who else is evaluated."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparse_rl import envs
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.playing.play import play
from sparse_rl.population.members import mesh
from sparse_rl.spaces import Discrete, EnvSpec
from sparse_rl.study.episodes import evaluator, run_episodes
from tests.playing.counting import COUNTING, DIGITS, RETURN


def constant(params: jax.Array, observation: jax.Array) -> jax.Array:
    """Always the action that is the parameter."""
    return jnp.full(observation.shape[0], params, jnp.int32)


def keys(*seeds: int) -> jax.Array:
    return jax.vmap(jax.random.key)(jnp.array(seeds))


def test_returns_and_lengths_of_known_episodes() -> None:
    probe = envs.make("probe/termination?actions=discrete")
    found = run_episodes(constant, probe, jnp.array([0, 1]), keys(0, 1), 3)
    np.testing.assert_array_equal(found.returns, np.full((2, 3), 3.0))
    np.testing.assert_array_equal(found.lengths, np.full((2, 3), 3))


def test_a_time_out_ends_an_episode() -> None:
    probe = envs.make("probe/time-out?actions=discrete")
    found = run_episodes(constant, probe, jnp.array([0]), keys(0), 2)
    np.testing.assert_array_equal(found.returns, np.full((1, 2), 5.0))


def test_members_and_episodes_are_their_own() -> None:
    cartpole = envs.make("gymnax/CartPole-v1")
    together = run_episodes(constant, cartpole, jnp.array([0, 1, 1]), keys(7, 8, 9), 4)
    alone = run_episodes(constant, cartpole, jnp.array([1]), keys(8), 4)
    np.testing.assert_array_equal(together.returns[1], alone.returns[0])
    assert len(np.unique(together.lengths)) > 1, "episodes of different length were evaluated"
    # CartPole pays 1 per step: a return that went on after the end would be larger.
    np.testing.assert_array_equal(together.returns, together.lengths)


def test_arms_of_a_seed_meet_the_same_episodes_and_every_evaluation_new_ones() -> None:
    agent: Any = SimpleNamespace(act=constant)
    evaluate = evaluator(agent, envs.make("gymnax/CartPole-v1"), mesh(jax.devices()[:1]), 8)
    at_10, at_20 = (
        np.asarray(evaluate(jnp.array([1, 1]), keys(3, 3), jnp.int32(clock)).lengths)
        for clock in (10, 20)
    )
    np.testing.assert_array_equal(at_10[0], at_10[1])
    assert (at_10[0] != at_20[0]).any()


def test_the_policy_sees_stacked_frames_of_its_own_episode() -> None:
    def act(params: jax.Array, seen: jax.Array) -> jax.Array:
        return (seen[:, 0] @ jnp.array(DIGITS, jnp.float32)).astype(jnp.int32)

    found = run_episodes(act, COUNTING, jnp.zeros(3), keys(0, 1, 2), 2)
    np.testing.assert_array_equal(found.returns, np.full((3, 2), RETURN))


BROKEN = JaxEnv(
    EnvSpec("broken", (1,), np.dtype(np.float32), Discrete(2), time_limit=4),
    lambda key: (jnp.int32(0), jnp.ones(1)),
    lambda key, count, action: Transition(
        count + 1,
        jnp.where((count == 1) & (action == 1), jnp.nan, 1.0)[None],
        jnp.float32(1.0),
        count < 0,
    ),
)
"""Pays 1 at each of four steps; after a second action 1 the observation is no number."""


def test_an_observation_that_is_no_number_gives_no_return() -> None:
    found = run_episodes(constant, BROKEN, jnp.array([0, 1]), keys(0, 1), 2)
    np.testing.assert_array_equal(found.returns, [[4.0, 4.0], [np.nan, np.nan]])
    for action, expected in ((0, 4.0), (1, np.nan)):
        played = play(lambda seen, action=action: np.full(len(seen), action), BROKEN, 2, 0)
        np.testing.assert_array_equal(played.returns, [expected, expected])
