"""The return of acting at random: from the prefill where it tells it, else played."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.runs.metrics import joined, table_of
from sparse_rl.runs.variant import DENSE
from sparse_rl.study import random_play
from sparse_rl.study.preparation import Study, prepare
from sparse_rl.study.recording import rows_of
from sparse_rl.study.training import at_random
from sparse_rl.summary.final_table import random_return


def config(name: str, **changes: Any) -> Config:
    values: dict[str, Any] = {
        "environment": name,
        "seeds": 3,
        "first_seed": 7,
        "network": {"hidden": [8]},
        "replay": {"capacity": 40, "batch_size": 4},
        "training": {"steps": 60, "learning_starts": 20},
        "sparsity": {"levels": [0], "begin": 0.5, "interval": 6},
        "quantization": {"modes": []},
        "evaluation": {"every": 60, "episodes": 1, "final_episodes": 1},
    }
    return from_mapping(values | changes)


def with_other_rules(study: Study) -> Study:
    """Evaluations are in an environment that pays 7 at each step, which training's never does."""

    def step(key: jax.Array, state: jax.Array, action: jax.Array) -> Transition:
        return Transition(state, jnp.zeros(3), jnp.float32(7.0), jnp.bool_(False))

    sevens = JaxEnv(study.environment.spec, lambda key: (jnp.int32(0), jnp.zeros(3)), step)
    return study._replace(evaluation_environment=sevens)


def test_it_is_played_where_the_prefill_does_not_tell_it() -> None:
    study = prepare(config("gymnax/Pendulum-v1?time_limit=30"))
    assert not random_play.must_be_played(study, np.array([np.nan, -3.0]))
    assert random_play.must_be_played(study, np.array([np.nan, np.nan]))


def test_it_is_played_for_atari_whose_training_knows_lives_and_signs_of_rewards() -> None:
    study = prepare(config("gymnax/Pendulum-v1?time_limit=30"))
    told = np.array([-7.0, -3.0])
    assert not random_play.must_be_played(study, told)
    atari = study._replace(config=replace(study.config, environment="atari/Pong"))
    assert random_play.must_be_played(atari, told)


def test_it_is_played_by_the_rules_of_evaluations() -> None:
    study = with_other_rules(prepare(config("gymnax/Pendulum-v1?time_limit=30")))
    returns = random_play.random_returns(study, study.phases[0])
    np.testing.assert_array_equal(returns[:3], 30 * 7.0)


def test_a_prefill_that_ends_no_episode_has_it_played_in_its_evaluations_environment() -> None:
    study = prepare(config("gymnax/Pendulum-v1?time_limit=30"))
    phase = study.phases[0]
    metrics = at_random(study, phase, study.fresh(phase))  # before the first step, even
    returns = metrics["return"][: len(phase.members)]
    # The reward of a step lies between -16.3 and 0, and hanging down at rest it is about -10.
    assert ((returns > -30 * 16.3) & (returns < -20)).all() and len(set(returns)) == 3
    np.testing.assert_array_equal(random_play.random_returns(study, phase)[:3], returns)
    rows = rows_of(20, "prefill", phase.members, metrics)
    table = joined(table_of(rows), {"0": DENSE})
    assert random_return(table) == pytest.approx(returns.mean())
