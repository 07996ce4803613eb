"""A program is compiled once for equal statics and equal shapes, types and places."""

import jax
import jax.numpy as jnp
import numpy as np

from sparse_rl.config.reading import load_config
from sparse_rl.population.executables import executable, forget
from sparse_rl.study.preparation import prepare

MADE: list[int] = []


def adding(number: int):
    MADE.append(number)
    return jax.jit(lambda x, n: x + number + n)


def test_once_for_each_static_and_shape() -> None:
    forget()
    MADE.clear()
    three, four = jnp.zeros(3), jnp.zeros(4)
    for number, x in ((1, three), (1, three + 5), (2, three), (1, four), (2, three)):
        found = executable(adding, (number,), (x, np.int32(7)))(x, np.int32(7))
        np.testing.assert_array_equal(found, np.asarray(x) + number + 7)
    assert MADE == [1, 2, 1]


def test_the_same_study_prepared_twice_has_equal_programs() -> None:
    """int8's too, so that what is trained again in a process compiles nothing."""
    for name in ("sac_pendulum", "dqn_cartpole", "td3_pendulum", "ppo_cartpole"):
        one, other = (prepare(load_config(name)) for _ in range(2))
        for mine, yours in zip(one.phases, other.phases, strict=True):
            assert one.program(mine) == other.program(yours)
            assert hash(one.program(mine)) == hash(other.program(yours))
            assert one.mesh == other.mesh
    quantized = one.program(one.phases[-1])
    assert quantized != one.program(one.phases[-2])
