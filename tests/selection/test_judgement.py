"""Candidates meet the same starts, and what is judged is what each of them gets."""

import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.architecture.operations import Observation, Squash
from sparse_rl.artifact.graph import Dense, Graph
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.weights import Weights
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.selection import judgement
from sparse_rl.selection.compression import acting

PENDULUM = "gymnax/Pendulum-v1"


def torque(value):
    return lambda seen: np.full((len(seen), 1), value, np.float32)


def against_speed(seen):
    return np.clip(-seen[:, 2:], -2, 2).astype(np.float32)


def test_side_by_side_as_alone(monkeypatch):
    environment = make(PENDULUM, evaluation=True)
    acts = [torque(0.0), torque(2.0), against_speed, torque(-1.0), against_speed]
    alone = [play(act, environment, 5, 3).returns for act in acts]
    together = judgement.judge(acts, environment, 5, 3)
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)
    monkeypatch.setattr(judgement, "MOST_AT_ONCE", 10)  # two at a time, the last one filled up
    np.testing.assert_allclose(judgement.judge(acts, environment, 5, 3), together, rtol=1e-6)


def test_the_share_that_is_done_only_grows_and_ends_at_one(monkeypatch):
    monkeypatch.setattr(judgement, "MOST_AT_ONCE", 10)  # three groups, the last one of one policy
    shares = []
    acts = [torque(0.0), torque(2.0), torque(1.0), torque(-1.0), torque(-2.0)]
    judgement.judge(acts, make(f"{PENDULUM}?time_limit=20"), 5, 3, shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0
    np.testing.assert_allclose(shares[19::20], [0.4, 0.8, 1.0])  # 20 steps for each group
    np.testing.assert_allclose(shares[9], 0.2)


def test_observations_are_those_of_each_policy():
    environment = make(PENDULUM, evaluation=True)
    still, driven = judgement.meet([torque(0.0), torque(2.0)], environment, 3, 1)
    np.testing.assert_array_equal(still.observations[:3], driven.observations[:3])  # the starts
    assert still.observations.shape == (3 * 200, 3) == driven.observations.shape
    assert driven.observations[:, 2].max() > still.observations[:, 2].max()
    np.testing.assert_allclose(
        still.returns, play(torque(0.0), environment, 3, 1).returns, rtol=1e-6
    )


@pytest.mark.parametrize("name", ["gymnasium/CartPole-v1", "gymnax/CartPole-v1"])
def test_nothing_is_met_after_the_end_of_an_episode(name):
    def by_angle(seen):  # falls sooner or later
        return (seen[:, 2] > 0).astype(np.int32)

    (met,) = judgement.meet([by_angle], make(name, evaluation=True), 4, 0)
    assert len(set(met.returns)) > 1  # the first one to end has to wait for the last
    assert len(met.observations) == met.returns.sum()  # a reward of 1 for each that was acted on
    assert np.abs(met.observations).max(axis=1).all()


def test_an_action_that_is_no_number_fails_its_own_policy_alone():
    environment = make(PENDULUM, evaluation=True)
    broken, sound = judgement.judge([torque(np.nan), torque(1.0)], environment, 2, 0)
    assert np.isnan(broken).all() and np.isfinite(sound).all()


def diverging(environment):
    """The world, but an action near a bound makes an observation that is not finite."""

    class World:
        spec = environment.spec
        reset = staticmethod(environment.reset)

        @staticmethod
        def step(state, action):
            state, outcome = environment.step(state, action)
            wild = jnp.abs(action) > 0.99
            seen = jnp.where(wild, jnp.nan, outcome.observation)
            return state, outcome._replace(observation=seen)

    return World()


def constant(torque):
    zeros = Weights(np.zeros((3, 1), np.float32))
    layer = Dense(zeros, np.array([torque], np.float32))
    graph = Graph(Observation((3,)), (layer,), Squash((-2.0,), (2.0,)))
    return acting(PackedActor(graph))


def test_a_candidate_that_meets_what_is_not_finite_fails_alone():
    world = diverging(make(f"{PENDULUM}?time_limit=20", evaluation=True))
    sound, wild = judgement.judge([constant(0.1), constant(9.0)], world, 2, 0)
    assert np.isfinite(sound).all() and np.isnan(wild).all()
    _, met = judgement.meet([constant(0.1), constant(9.0)], world, 2, 0)
    assert np.isfinite(met.observations).all() and len(met.observations) >= 2  # the starts
