"""The state of all policies that learn, and one iteration of their learning.

A student is one (policy, level); every array of its state has the leading axis [M], as a member's
in training has, and `E` environments of its own. What it meets there is labelled with what its
original would do (DAgger: Ross et al. 2011, arXiv 1011.0686) and kept in a ring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Num, PyTree

from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.architecture import ArgMax, Squash
from sparse_rl.distillation.losses import Loss
from sparse_rl.envs import VectorEnv
from sparse_rl.networks import FlaxNetwork
from sparse_rl.networks.layers import RANGES
from sparse_rl.playing.frames import first_seen, next_seen
from sparse_rl.population.members import as_batch, by_member
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.cubic import cubic_share

MASK_INTERVAL = 100
"""Iterations from one change of masks to the next."""
LED = 4
"""In one environment of so many the original acts, so that its own states are met too.

In none where there are fewer: a student that never acts meets no state of its own.
"""


class Students(NamedTuple):
    """All that changes; every leaf has the leading axis [M], those of `world` [M, E].

    `ranges` is the collection of that name where scales are fixed; otherwise empty.
    """

    network: MaskedNetwork
    ranges: Any
    world: PyTree
    seen: Num[Array, "members environments *observation"]
    kept: Num[Array, "members capacity *observation"]
    wanted: Float[Array, "members capacity outputs"]
    key: Key[Array, " members"]


class Given(NamedTuple):
    """What does not change: the originals, the statistics of observations, and the counts."""

    teacher: Any
    statistics: Any
    target_counts: Int[Array, "members layers"]


class Course(NamedTuple):
    """What is static in one course of learning.

    Attributes:
        iterations: of the course; one is a step of the environments and `updates` gradient steps.
        prefill: iterations of the course before its first gradient step, in which the original
            acts everywhere.
        pruned_by: the iteration from which on the masks stay; 0 where none changes.
    """

    teacher: FlaxNetwork
    student: FlaxNetwork
    head: str
    teacher_head: str
    loss: Loss
    optimizer: optax.GradientTransformation
    environment: VectorEnv
    prune: mask_rules.Prune
    environments: int
    capacity: int
    batch_size: int
    updates: int
    iterations: int
    prefill: int
    pruned_by: int


def iterate(course: Course, given: Given, students: Students, clock: Int[Array, ""]) -> Students:
    """One iteration of all students: a step, its labels, gradient steps, masks where due."""
    students = _meet(course, given, students, clock)
    full = jnp.minimum((clock + 1) * course.environments, course.capacity)

    def learn(students: Students) -> Students:
        step = jax.vmap(lambda one, mine: _update(course, one, mine, full))
        return jax.lax.fori_loop(0, course.updates, lambda _, now: step(now, given), students)

    students = jax.lax.cond(clock >= course.prefill, learn, lambda same: same, students)
    if course.pruned_by == 0:
        return students
    due = (clock % MASK_INTERVAL == 0) & (clock >= course.prefill) & (clock <= course.pruned_by)
    network = jax.lax.cond(
        due | (clock == course.pruned_by),
        lambda network: jax.vmap(lambda one, counts: _pruned(course, one, counts, clock))(
            network, given.target_counts
        ),
        lambda network: network,
        students.network,
    )
    return students._replace(network=network)


def _meet(course: Course, given: Given, students: Students, clock: Int[Array, ""]) -> Students:
    """One step of all environments, labelled and kept in the ring."""
    wanted = jax.vmap(lambda mine, seen: teach(course, mine, seen))(given, students.seen)
    own = jax.vmap(
        lambda params, ranges, mine, seen: outputs_of(course, params, ranges, mine, seen)
    )(students.network.params, students.ranges, given, students.seen)
    ranges = students.ranges
    if course.student.dots.fixed is not None:
        ranges = jax.vmap(lambda *one: _ranges_after(course, *one))(
            students.network.params, ranges, given, students.seen
        )
    led = (jnp.arange(course.environments) % LED == 0) & (course.environments >= LED)
    led = led | (clock < course.prefill)
    action = _action(course, jnp.where(led[None, :, None], wanted, own))
    world, outcome = by_member(
        course.environment.step(as_batch(students.world), as_batch(action)), course.environments
    )
    place = (clock * course.environments + jnp.arange(course.environments)) % course.capacity
    return students._replace(
        ranges=ranges,
        world=world,
        seen=_seen_after(students.seen, outcome, course.environment.spec.frame_stack),
        kept=students.kept.at[:, place].set(students.seen),
        wanted=students.wanted.at[:, place].set(wanted),
    )


def _seen_after(seen: Array, outcome: Any, stack: int) -> Array:
    """What is seen next; after an episode's end the frames before it are gone."""
    flat = seen.reshape(-1, *seen.shape[2:])
    new = outcome.observation.reshape(-1, *outcome.observation.shape[2:])
    after = next_seen(flat, new, stack)
    if stack > 1:
        valid = outcome.valid.reshape(-1, *(1,) * (after.ndim - 1))
        after = jnp.where(valid, after, first_seen(new, stack))
    return after.reshape(seen.shape)


def teach(
    course: Course, given: Given, seen: Num[Array, "batch *observation"]
) -> Float[Array, "batch outputs"]:
    """The outputs of one student's original."""
    outputs: Any = course.teacher.apply(given.teacher, seen)
    return outputs[course.teacher_head]  # type: ignore[no-any-return]


def outputs_of(
    course: Course, params: Any, ranges: Any, mine: Given, seen: Num[Array, "batch *observation"]
) -> Float[Array, "batch outputs"]:
    """The outputs of one student."""
    outputs: Any = course.student.apply({"params": params, **ranges, **mine.statistics}, seen)
    return outputs[course.head]  # type: ignore[no-any-return]


def _ranges_after(
    course: Course, params: Any, ranges: Any, mine: Given, seen: Num[Array, "batch *observation"]
) -> Any:
    """One student's ranges after these observations."""
    variables = {"params": params, **ranges, **mine.statistics}
    return course.student.apply(variables, seen, mutable=[RANGES])[1]


def _action(course: Course, outputs: Float[Array, "members environments outputs"]) -> Array:
    """Actions of an agent, in [-1, 1] or numbers; what is not finite becomes 0."""
    output = course.student.network.output
    if isinstance(output, ArgMax):
        return jnp.argmax(outputs, axis=-1).astype(jnp.int32)
    bounded = jnp.tanh(outputs) if isinstance(output, Squash) else jnp.clip(outputs, -1, 1)
    return jnp.where(jnp.isfinite(bounded), bounded, 0)


def _update(course: Course, student: Students, given: Given, full: Int[Array, ""]) -> Students:
    """One gradient step of one student."""
    key, draw = jax.random.split(student.key)
    rows = jax.random.randint(draw, (course.batch_size,), 0, full)
    seen, wanted = student.kept[rows], student.wanted[rows]

    def loss(params: Any) -> Float[Array, ""]:
        return course.loss(outputs_of(course, params, student.ranges, given, seen), wanted)

    gradients = jax.grad(loss)(student.network.params)
    return student._replace(network=student.network.step(course.optimizer, gradients), key=key)


def _pruned(
    course: Course, network: MaskedNetwork, counts: Int[Array, " layers"], clock: Int[Array, ""]
) -> MaskedNetwork:
    """Masks at this moment of the cubic rise (Zhu and Gupta 2017); what is dead stays dead."""
    span = max(1, course.pruned_by - course.prefill)
    share = cubic_share(jnp.clip((clock - course.prefill) / span, 0, 1))
    dead = jnp.rint(share * counts).astype(jnp.int32)
    scores = jax.tree.map(jnp.abs, network.params)
    return network.with_masks(course.prune(network.masks, scores, dead))


def learning_rate(peak: float, updates: int) -> Callable[[Any], Any]:
    """Constant for three fifths of the updates, then linear to zero."""
    turn = max(1, round(0.6 * updates))
    return optax.join_schedules(
        [
            optax.constant_schedule(peak),
            optax.linear_schedule(peak, 0.0, max(1, updates - turn)),
        ],
        [turn],
    )
