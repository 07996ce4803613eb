"""An exception of an environment reaches the user as itself: one line and its own traceback."""

import jax
import jax.numpy as jnp
import pytest

from sparse_rl.envs import failure, make
from sparse_rl.envs.failure import EnvironmentFailure
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.playing.play import play, random_policy
from sparse_rl.spaces import Discrete, EnvSpec

pytest.importorskip("gymnasium")

from tests.envs import own_environments
from tests.envs.own_environments import Raises, name


def test_only_its_own_traceback_is_told() -> None:
    environment = make(name(Raises))
    with pytest.raises(EnvironmentFailure) as caught:
        play(random_policy(environment.spec, 0), environment, 2, 0)
    assert str(caught.value) == (
        f"environment {name(Raises)!r} raised in step(): RuntimeError: the motor is on fire"
    )
    (note,) = caught.value.__notes__
    assert note.count("File ") == 1
    assert own_environments.__file__ in note
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_jax_says_nothing_beside(caplog: pytest.LogCaptureFixture) -> None:
    environment = make(name(Raises))
    with pytest.raises(EnvironmentFailure):
        play(random_policy(environment.spec, 0), environment, 1, 0)
    assert not caplog.records


def test_errors_of_other_callbacks_stay_what_they_are() -> None:
    def broken(_: object) -> object:
        raise RuntimeError("not an environment")

    def program() -> jax.Array:
        return jax.pure_callback(broken, jax.ShapeDtypeStruct((), jnp.float32), 1.0)

    with pytest.raises(jax.errors.JaxRuntimeError, match="not an environment"), failure.told():
        jax.block_until_ready(jax.jit(program)())


def test_the_failure_of_another_time_is_forgotten() -> None:
    failure.keep(EnvironmentFailure("yesterday"))
    with pytest.raises(ValueError, match="today"), failure.told():
        raise ValueError("today")


@pytest.mark.parametrize("call", ["reset", "step"])
def test_environments_in_jax_are_named_while_they_are_traced(call: str) -> None:
    def wrong(*_: object) -> object:
        return {}["no such entry"]

    def reset(key: object) -> tuple[jax.Array, jax.Array]:
        return jnp.zeros(()), jnp.zeros(2)

    spec = EnvSpec("mine/one", (2,), jnp.dtype("float32"), Discrete(2), 10)
    environment = JaxEnv(
        spec,
        wrong if call == "reset" else reset,  # type: ignore[arg-type]
        wrong,  # type: ignore[arg-type]
    )
    with pytest.raises(EnvironmentFailure) as caught:
        jax.eval_shape(
            lambda: environment.step(
                environment.reset(jax.random.split(jax.random.key(0), 1))[0], jnp.zeros(1, int)
            )
        )
    assert str(caught.value) == (
        f"environment 'mine/one' raised in {call}(): KeyError: 'no such entry'"
    )
    assert __file__ in caught.value.__notes__[0]


def test_an_observation_in_jax_is_what_is_declared() -> None:
    spec = EnvSpec("mine/two", (2,), jnp.dtype("float32"), Discrete(2), 10)
    environment = JaxEnv(
        spec,
        lambda key: (jnp.zeros(()), jnp.zeros(2)),
        lambda key, state, action: Transition(state, jnp.zeros(3), jnp.zeros(()), jnp.bool_(False)),
    )
    state, _ = environment.reset(jax.random.split(jax.random.key(0), 1))
    with pytest.raises(EnvironmentFailure, match=r"step\(\) gave .* \[3\]; declared is \[2\]"):
        environment.step(state, jnp.zeros(1, int))
