"""Rougher worlds by name: what they are, and what is refused."""

import jax
import numpy as np
import pytest

from sparse_rl.envs import make
from sparse_rl.envs.disturbed import DisturbedEnv
from sparse_rl.selection.disturbances import parse

PENDULUM = make("gymnax/Pendulum-v1", evaluation=True)


def test_noise_is_a_share_of_how_much_each_quantity_varies() -> None:
    seen = np.random.default_rng(0).normal(0, [1.0, 3.0, 0.0], (5_000, 3)).astype(np.float32)
    world = parse("noise:0.1+delay:2", PENDULUM).world([seen[:2_000], seen[2_000:]])
    assert isinstance(world, DisturbedEnv)
    assert world.environment is PENDULUM and world.delay == 2
    np.testing.assert_allclose(world.noise, 0.1 * seen.std(axis=0), rtol=1e-5)


def test_of_stacked_frames_one_frame_has_the_noise() -> None:
    environment = make("gymnasium/CartPole-v1?frame_stack=3", evaluation=True)
    seen = np.random.default_rng(0).normal(0, 2, (5_000, 4, 3)).astype(np.float32)
    world = parse("noise:0.5", environment).world([seen])
    np.testing.assert_allclose(world.noise, 1.0, rtol=0.05)
    keys = jax.random.split(jax.random.key(0), 2)
    assert world.reset(keys)[1].shape == (2, 4)


def test_other_words_are_options_of_the_environment() -> None:
    assert parse("time_limit:50", PENDULUM).world([]).spec.time_limit == 50
    limited = make("gymnax/Pendulum-v1?time_limit=30", evaluation=True)
    minatar = make("gymnax/Breakout-MinAtar", evaluation=True)
    assert parse("sticky:0.1", minatar).environment.spec.name.endswith("?sticky=0.1")
    with pytest.raises(ValueError, match="option time_limit is given twice"):
        parse("time_limit:50", limited)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("noise", "found 'noise'; allowed: noise:SHARE, delay:STEPS or an option"),
        ("noise:0.1+", r"found 'noise:0.1\+'; allowed: noise:SHARE"),
        ("noise:-1", "noise:-1: noise: found '-1'; allowed: a number above 0"),
        ("noise:nan", "noise: found 'nan'; allowed: a number above 0"),
        ("noise:much", "noise: found 'much'; allowed: a number above 0"),
        ("delay:0", "delay: found '0'; allowed: a whole number from 1 to 1000"),
        ("delay:1.5", "delay: found '1.5'; allowed: a whole number"),
        ("mass:2", "unknown option mass; allowed: time_limit"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(ValueError, match=line) as error:
        parse(text, PENDULUM)
    assert "\n" not in str(error.value)


def test_noise_needs_numbers_that_vary_freely() -> None:
    with pytest.raises(ValueError, match="noise: found observations of bool; allowed: of float32"):
        parse("noise:0.1", make("gymnax/Breakout-MinAtar", evaluation=True))


def test_what_is_observed_must_stay() -> None:
    environment = make("gymnasium/CartPole-v1", evaluation=True)
    with pytest.raises(ValueError, match=r"frame_stack=2: changes what is observed, \(4,\) to"):
        parse("frame_stack:2", environment)
