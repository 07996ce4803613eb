"""Students act in their worlds but where their originals lead, and are labelled everywhere."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sparse_rl.agents import masked_network
from sparse_rl.architecture import ArgMax, Dense, Network, Observation, Squash
from sparse_rl.distillation.losses import loss_of
from sparse_rl.distillation.students import Course, Given, Students, iterate, learning_rate
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.networks import FlaxNetwork
from sparse_rl.population.members import by_member
from sparse_rl.spaces import Continuous, Discrete, EnvSpec
from sparse_rl.sparsity import masks

ENVIRONMENTS = 8
CASES: dict[str, tuple[Any, list[float], list[float], float, float]] = {
    "torques": (Squash((-1.0,), (1.0,)), [1.0], [-1.0], np.tanh(1.0), np.tanh(-1.0)),
    "numbers": (ArgMax(), [0.0, 5.0, 1.0], [0.0, 1.0, 5.0], 1.0, 2.0),
}
"""Output, what the original always says, what the student does, and the actions that this is."""


def echo(output: Any) -> JaxEnv:
    """What is seen is the last action."""
    space = Discrete(3) if isinstance(output, ArgMax) else Continuous((-1.0,), (1.0,))

    def step(key: jax.Array, state: jax.Array, action: jax.Array) -> Transition:
        seen = action.astype(jnp.float32).reshape(1)
        return Transition(state, seen, jnp.float32(0.0), jnp.bool_(False))

    spec = EnvSpec("echo", (1,), np.dtype(np.float32), space, time_limit=100)
    return JaxEnv(spec, lambda key: (jnp.int32(0), jnp.zeros(1)), step)


def saying(outputs: list[float]) -> dict[str, Any]:
    """The variables of one network that says this whatever it sees, of one member."""
    layer = {"kernel": jnp.zeros((1, 1, len(outputs))), "bias": jnp.array([outputs])}
    return {"params": {"head": layer}}


@pytest.mark.parametrize("case", CASES)
def test_students_act_where_their_originals_do_not_lead(case: str) -> None:
    """In the prefill the original acts everywhere, then in every fourth environment."""
    output, wanted, own, led, followed = CASES[case]
    network = Network(Observation((1,)), (), (Dense("head", len(wanted)),), output)
    course = Course(
        teacher=FlaxNetwork(network),
        student=FlaxNetwork(network),
        head="head",
        teacher_head="head",
        loss=loss_of(output),
        optimizer=optax.identity(),
        environment=echo(output),
        prune=masks.pruning_of("erk"),
        environments=ENVIRONMENTS,
        capacity=2 * ENVIRONMENTS,
        batch_size=1,
        updates=0,
        iterations=2,
        prefill=1,
        pruned_by=0,
    )
    world, first = course.environment.reset(jax.random.split(jax.random.key(0), ENVIRONMENTS))
    given = Given(saying(wanted), {}, jnp.zeros((1, 1), jnp.int32))
    students = Students(
        network=masked_network.init_unmasked(saying(own)["params"], course.optimizer),
        ranges={},
        world=by_member(world, ENVIRONMENTS),
        seen=first[None],
        kept=jnp.zeros((1, course.capacity, 1)),
        wanted=jnp.zeros((1, course.capacity, len(wanted))),
        key=jax.random.split(jax.random.key(1), 1),
    )
    students = iterate(course, given, students, jnp.int32(0))
    np.testing.assert_allclose(students.seen[0, :, 0], led, rtol=1e-6)
    students = iterate(course, given, students, jnp.int32(1))
    np.testing.assert_allclose(
        students.seen[0, :, 0], [led, followed, followed, followed] * 2, rtol=1e-6
    )
    # Kept is what was seen before each step, with what the original would have done.
    np.testing.assert_allclose(students.kept[0, :, 0], [0.0] * 8 + [led] * 8, rtol=1e-6)
    np.testing.assert_array_equal(students.wanted[0], [wanted] * 16)


def test_the_learning_rate_falls_to_zero_in_the_last_two_fifths() -> None:
    rate = learning_rate(0.1, 1_000)
    found = [float(rate(count)) for count in (0, 600, 700, 800, 1_000)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.075, 0.05, 0.0], rtol=1e-6)
