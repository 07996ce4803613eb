"""What a population says of itself, against sums and returns that are set by hand."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population
from sparse_rl.runs.layout import RETURN_SPREAD
from sparse_rl.study.episodes import Episodes
from sparse_rl.study.evaluations import returns_of
from sparse_rl.study.measurement import measure
from sparse_rl.study.preparation import Study, prepare
from tests.population.training import only
from tests.study.test_random_play import config


@pytest.fixture(scope="module")
def study() -> Study:
    return prepare(config("gymnax/Pendulum-v1?time_limit=30"))


@pytest.fixture(scope="module")
def fresh(study: Study) -> Population:
    return only(study.fresh(study.phases[0]))


def test_training_says_means_over_updates_and_over_finished_episodes(
    study: Study, fresh: Population
) -> None:
    """What an episode has been paid so far is not of its return, which is not known yet."""
    count = fresh.members.failed.shape[0]

    def all_of(value: float) -> Any:
        return jnp.full(count, value)

    statistics = fresh.members.statistics._replace(
        metrics={name: all_of(12.0) for name in fresh.members.statistics.metrics},
        updates=all_of(4),
        finished_return=all_of(-30.0),
        episodes=all_of(3),
        running_return=all_of(-5.0)[:, None],
    )
    members = fresh.members._replace(statistics=statistics)
    found = measure(study, Cohorts((fresh._replace(members=members),)))
    assert "critic_loss" in statistics.metrics
    for name in statistics.metrics:
        np.testing.assert_array_equal(found[name], 3.0)
    np.testing.assert_array_equal(found["train_return"], -10.0)


def test_the_spread_is_that_of_one_episode_and_not_of_their_mean(
    study: Study, fresh: Population
) -> None:
    count = fresh.members.failed.shape[0]
    returns = np.tile([1.0, 2.0, 3.0, 6.0], (count, 1))
    lengths = np.tile([10, 20, 30, 60], (count, 1))
    found = returns_of(Episodes(returns, lengths), Cohorts((fresh,)))
    np.testing.assert_allclose(found["return"], 3.0, rtol=1e-6)
    # Squares of -2, -1, 0 and 3, over one less than four.
    np.testing.assert_allclose(found[RETURN_SPREAD], np.sqrt(14 / 3), rtol=1e-6)
    np.testing.assert_allclose(found["episode_length"], 30.0)
