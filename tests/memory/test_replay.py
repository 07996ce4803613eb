"""The replay buffer against plain lists of episodes that forget nothing."""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sparse_rl.memory import replay
from sparse_rl.memory.replay import Batch, ReplayBuffer
from sparse_rl.spaces import Outcome

ROWS, STEPS, DISCOUNT = 16, 64, 0.9
APART = 80
"""Between the contents of one environment's observations and the next one's."""


class Steps(NamedTuple):
    """What environments with next-step reset do, step by step: all are [time, environments].

    The observation of environment e at time t holds t + 1 + 80 e, so that every one is known by its
    content and none is 0; the action then is t + 80 e.
    """

    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    valid: np.ndarray


class Transition(NamedTuple):
    """Frames are times of observations, oldest first; None is a frame of zeros."""

    frames: list[int | None]
    reward: float
    discount: float
    next_frames: list[int | None]
    weight: float


def side_by_side(streams: Sequence[Steps]) -> Steps:
    return Steps(*(np.stack(parts, axis=1) for parts in zip(*streams, strict=True)))


def random_steps(seed: int, environments: int = 1) -> Steps:
    """Environments that know nothing of each other."""
    return side_by_side([random_stream(100 * seed + i) for i in range(environments)])


def random_stream(seed: int, length: int = STEPS) -> Steps:
    """Short and long episodes that end in a termination, a time-out, or both.

    Many have one step only: then a window of three steps sees the ends of two episodes.
    """
    rng = np.random.default_rng(seed)
    steps = Steps(*(np.zeros(length, kind) for kind in (np.float32, bool, bool, bool)))
    time = 0
    while time < length:
        end = time + int(rng.choice([1, 1, 2, 3, 5, 9])) - 1
        for t in range(time, min(end + 1, length)):
            steps.valid[t] = True
            steps.reward[t] = rng.normal()
        if end < length:
            how = rng.integers(3)
            steps.terminated[end], steps.truncated[end] = how != 1, how != 0
        time = end + 2  # the step after the end is a reset
    return steps


def reference(
    steps: Steps, environment: int, n_step: int, frame_stack: int, clock: int
) -> dict[int, Transition]:
    """All transitions of `clock` finished steps of one environment, by when they start."""
    steps = Steps(*(part[:, environment] for part in steps))
    # Episodes as [first observation, last observation], both inclusive.
    episodes, first = [], 0
    for t in range(clock):
        if steps.terminated[t] or steps.truncated[t]:
            episodes.append((first, t + 1))
            first = t + 2
    episodes.append((first, clock))
    found = {}
    for first, last in episodes:

        def frames(time: int, first: int = first) -> list[int | None]:
            times = range(time - frame_stack + 1, time + 1)
            return [t if t >= first else None for t in times]

        for t in range(first, last):
            end = min(t + n_step, last)
            rewards = [DISCOUNT**k * float(steps.reward[t + k]) for k in range(end - t)]
            terminal = bool(steps.terminated[end - 1])
            discount = 0.0 if terminal else DISCOUNT ** (end - t)
            found[t] = Transition(frames(t), sum(rewards), discount, frames(end), 1.0)
    return found


def observations(frame_stack: int, environments: int, time: jax.Array) -> jax.Array:
    """Vectors for single observations; small images of bytes for stacked ones."""
    shape, dtype = ((2,), jnp.float32) if frame_stack == 1 else ((3, 2), jnp.uint8)
    values = time + 1 + APART * jnp.arange(environments)
    values = values.reshape(environments, *(1 for _ in shape))
    return jnp.broadcast_to(values, (environments, *shape)).astype(dtype)


@functools.partial(jax.jit, static_argnames=("rows", "frame_stack"))
def filled(steps: Steps, clock: jax.Array, rows: int, frame_stack: int) -> ReplayBuffer:
    environments = steps.reward.shape[1]
    apart = APART * jnp.arange(environments)
    first = observations(frame_stack, environments, jnp.int32(0))
    buffer = replay.init(rows, first, jnp.zeros(environments, jnp.int32))

    def step(time: jax.Array, buffer: ReplayBuffer) -> ReplayBuffer:
        outcome = Outcome(
            observation=observations(frame_stack, environments, time + 1),
            reward=steps.reward[time],
            terminated=steps.terminated[time],
            truncated=steps.truncated[time],
            valid=steps.valid[time],
        )
        return replay.write(buffer, time, time + apart, outcome)

    return jax.lax.fori_loop(0, clock, step, buffer)


sample = jax.jit(replay.sample, static_argnums=(3, 4, 5, 6))


def seen(batch: Batch) -> dict[tuple[int, int], int]:
    """A row of the batch for every (time, environment) that is in it, by the action."""
    actions, first = np.unique(np.asarray(batch.action), return_index=True)
    found = zip(actions.tolist(), first.tolist(), strict=True)
    return {(action % APART, action // APART): row for action, row in found}


def content(frames: list[int | None], environment: int, frame_stack: int) -> np.ndarray:
    values = [0 if t is None else t + 1 + APART * environment for t in frames]
    if frame_stack == 1:
        return np.full((2,), values[0], np.float32)
    return np.broadcast_to(np.array(values, np.uint8), (3, 2, frame_stack))


CLOCKS = [5, 9, 15, 16, 17, 23, 31, 32, 33, 40, 47, 64]


@pytest.mark.parametrize("environments", [1, 3])
@pytest.mark.parametrize("frame_stack", [1, 4])
@pytest.mark.parametrize("n_step", [1, 3])
def test_every_sampled_transition_is_one_that_happened(
    n_step: int, frame_stack: int, environments: int
) -> None:
    """In one environment: neither steps nor frames of another are mixed in."""
    kinds = set()
    for seed, clock in enumerate(CLOCKS * 2):
        steps = random_steps(seed, environments)
        buffer = filled(steps, jnp.int32(clock), ROWS, frame_stack)
        key = jax.random.key(seed)
        batch = jax.device_get(
            sample(buffer, key, jnp.int32(clock), 2048, DISCOUNT, n_step, frame_stack)
        )
        happened = [
            reference(steps, environment, n_step, frame_stack, clock)
            for environment in range(environments)
        ]
        # Observations from time clock - ROWS + 1 on are still there, and no later step is.
        oldest = 0 if clock < ROWS else clock - ROWS + frame_stack
        where = seen(batch)
        times = range(oldest, clock - n_step + 1)
        assert set(where) == set(itertools.product(times, range(environments)))
        assert batch.observation.dtype == (np.float32 if frame_stack == 1 else np.uint8)
        for (time, environment), row in where.items():
            if not steps.valid[time, environment]:
                assert batch.weight[row] == 0.0
                assert time not in happened[environment]
                continue
            true = happened[environment][time]
            for found, frames in (
                (batch.observation[row], true.frames),
                (batch.next_observation[row], true.next_frames),
            ):
                wanted = content(frames, environment, frame_stack)
                np.testing.assert_array_equal(found, wanted, f"{time} {environment}")
            np.testing.assert_allclose(batch.reward[row], true.reward, atol=1e-5)
            np.testing.assert_allclose(batch.discount[row], true.discount, atol=1e-6)
            assert batch.weight[row] == true.weight
            last = (
                time + round(np.log(true.discount) / np.log(DISCOUNT)) - 1 if true.discount else 0
            )
            kinds.add("terminated" if not true.discount else "went on")
            if true.discount and steps.truncated[last, environment]:
                kinds.add("timed out")
            if None in true.frames:
                kinds.add("begins with zeros")
    # The episodes contain all that the test is about.
    wanted_kinds = {"terminated", "went on", "timed out"}
    assert kinds == (wanted_kinds | {"begins with zeros"} if frame_stack > 1 else wanted_kinds)


@pytest.mark.parametrize("frame_stack", [1, 4])
def test_what_the_policy_sees_while_it_acts(frame_stack: int) -> None:
    """At every clock: the newest observations, with frames of their own episodes only."""
    steps = random_steps(3, environments=2)
    observe = jax.jit(replay.observe, static_argnums=2)
    buffers = [filled(steps, jnp.int32(clock), ROWS, frame_stack) for clock in range(STEPS)]
    everything = [
        np.asarray(observe(buffer, jnp.int32(clock), frame_stack))
        for clock, buffer in enumerate(buffers)
    ]
    for environment in range(2):
        ended = (steps.terminated | steps.truncated)[:, environment]
        first, checked = 0, 0
        for clock in range(STEPS):
            found = everything[clock][environment]
            newest = found if frame_stack == 1 else found[..., -1]
            # The true one also where the last observation of an episode still stands, though the
            # action on it is ignored.
            assert (newest == clock + 1 + APART * environment).all()
            if clock and ended[clock - 1]:
                first = clock + 1
                continue
            times = range(clock - frame_stack + 1, clock + 1)
            wanted = content([t if t >= first else None for t in times], environment, frame_stack)
            np.testing.assert_array_equal(found, wanted, f"{clock} {environment}")
            checked += 1
        assert checked > STEPS / 2


@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.uint8, jnp.float32])
def test_stacked_frames_have_the_type_of_one(dtype: jnp.dtype) -> None:
    buffer = replay.init(16, jnp.ones((2, 3), dtype), jnp.zeros(2, jnp.int32))
    found = replay.observe(buffer, jnp.int32(0), 2)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[..., 0], np.zeros((2, 3)))
    np.testing.assert_array_equal(found[..., 1], np.ones((2, 3)))


def test_time_outs_bootstrap_and_terminations_do_not() -> None:
    """By hand: two episodes of two steps; the first terminates, the second runs out of time."""
    false = np.zeros(6, bool)
    stream = Steps(
        reward=np.array([1, 2, 0, 3, 4, 0], np.float32),
        terminated=false | np.eye(6, dtype=bool)[1],
        truncated=false | np.eye(6, dtype=bool)[4],
        valid=np.array([1, 1, 0, 1, 1, 0], bool),
    )
    buffer = filled(side_by_side([stream]), jnp.int32(6), ROWS, 1)
    one = jax.device_get(sample(buffer, jax.random.key(0), jnp.int32(6), 256, 0.5, 1, 1))
    rows = [seen(one)[t, 0] for t in range(6)]
    valid = [seen(one)[t, 0] for t in (0, 1, 3, 4)]
    np.testing.assert_allclose(one.discount[valid], [0.5, 0, 0.5, 0.5])
    np.testing.assert_allclose(one.weight[rows], [1, 1, 0, 1, 1, 0])
    np.testing.assert_allclose(one.next_observation[rows, 0], [2, 3, 4, 5, 6, 7])
    three = jax.device_get(sample(buffer, jax.random.key(0), jnp.int32(6), 256, 0.5, 3, 1))
    rows = [seen(three)[t, 0] for t in (0, 1, 3)]
    np.testing.assert_allclose(three.reward[rows], [1 + 0.5 * 2, 2, 3 + 0.5 * 4])
    np.testing.assert_allclose(three.discount[rows], [0, 0, 0.25])
    np.testing.assert_allclose(three.next_observation[rows, 0], [3, 3, 6])


@pytest.mark.parametrize("environments", [1, 3])
@pytest.mark.parametrize("clock", [13, 16, 45])
def test_uniform(clock: int, environments: int) -> None:
    """Over steps and environments together, so also over each pair of them.

    Chi-square; one in a million would fail by chance, and the seed is fixed.
    """
    buffer = filled(random_steps(0, environments), jnp.int32(clock), ROWS, 1)
    batch = sample(buffer, jax.random.key(clock), jnp.int32(clock), 2**16, DISCOUNT, 1, 1)
    _, counts = np.unique(np.asarray(batch.action), return_counts=True)
    assert len(counts) == min(clock, ROWS - 1) * environments
    assert stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize("environments", [1, 3])
def test_samples_depend_on_the_key(environments: int) -> None:
    buffer = filled(random_steps(0, environments), jnp.int32(40), ROWS, 1)
    draws = [
        sample(buffer, jax.random.key(key), jnp.int32(40), 64, DISCOUNT, 1, 1).action
        for key in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize("frame_stack", [1, 4])
def test_an_empty_buffer_may_begin_at_any_time(frame_stack: int) -> None:
    """One that is filled anew in the middle of training: no frame is older than its beginning."""
    begin = 37
    first = observations(frame_stack, 2, jnp.int32(begin))
    buffer = replay.init(ROWS, first, jnp.zeros(2, jnp.int32), time=begin)
    found = replay.observe(buffer, jnp.int32(begin), frame_stack)
    for environment in range(2):
        frames = [None] * (frame_stack - 1) + [begin]
        wanted = content(frames, environment, frame_stack)
        np.testing.assert_array_equal(found[environment], wanted)


def test_what_else_an_agent_keeps_of_a_step_is_in_its_row() -> None:
    zeros, flags = jnp.zeros(2), jnp.zeros(2, bool)
    outcome = Outcome(jnp.zeros((2, 3)), zeros, flags, flags, ~flags)
    buffer = replay.init(4, jnp.zeros((2, 3)), zeros, {"log_prob": zeros})
    for time in range(6):
        extras = {"log_prob": jnp.array([time, -time], jnp.float32)}
        buffer = replay.write(buffer, jnp.int32(time), zeros, outcome, extras)
    kept = [[4, -4], [5, -5], [2, -2], [3, -3]]  # steps 4 and 5 took the rows of 0 and 1
    np.testing.assert_array_equal(buffer.extras["log_prob"], kept)


@pytest.mark.parametrize(
    ("shape", "dtype", "action", "action_dtype", "row"),
    [
        # Observation, action and reward; a byte for each of the three flags.
        ((17,), np.float32, (6,), np.float32, 17 * 4 + 6 * 4 + 4 + 3),
        ((84, 84), np.uint8, (), np.int32, 84 * 84 + 4 + 4 + 3),
        ((4,), bool, (), np.int32, 4 + 4 + 4 + 3),
    ],
)
@pytest.mark.parametrize("environments", [1, 2])
def test_an_observation_is_stored_once(
    shape: tuple[int, ...],
    dtype: type,
    action: tuple[int, ...],
    action_dtype: type,
    row: int,
    environments: int,
) -> None:
    observation = jax.ShapeDtypeStruct((environments, *shape), dtype)
    acted = jax.ShapeDtypeStruct((environments, *action), action_dtype)
    buffer = jax.eval_shape(functools.partial(replay.init, 100_000), observation, acted)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(buffer))
    assert size == 100_000 * environments * row


@pytest.mark.parametrize("environments", [1, 3])
@pytest.mark.parametrize(("n_step", "frame_stack"), [(1, 4), (3, 2), (4, 1)])
def test_a_buffer_that_holds_no_transition_is_refused(
    n_step: int, frame_stack: int, environments: int
) -> None:
    need, steps = n_step + frame_stack, random_steps(0, environments)
    buffer = filled(steps, jnp.int32(30), need, frame_stack)
    batch = sample(buffer, jax.random.key(0), jnp.int32(30), 64, DISCOUNT, n_step, frame_stack)
    # There is just one in each environment.
    assert set(seen(batch)) == {(30 - n_step, environment) for environment in range(environments)}
    small = filled(steps, jnp.int32(30), need - 1, frame_stack)
    found = rf"^replay.capacity: found {need - 1} steps of {environments} environments; allowed: at"
    with pytest.raises(ValueError, match=found):
        replay.sample(small, jax.random.key(0), jnp.int32(30), 8, DISCOUNT, n_step, frame_stack)
