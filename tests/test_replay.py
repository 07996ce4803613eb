"""The ring against a plain list of episodes that forgets nothing."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sparse_rl import replay
from sparse_rl.replay import Batch, Ring

CAPACITY, STEPS, DISCOUNT = 16, 64, 0.9


class Steps(NamedTuple):
    """What an environment with next-step reset does, step by step; all have a leading axis.

    The observation at time t holds t + 1, so that every one is known by its content and none is 0;
    the action at time t is t.
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


def random_steps(seed: int, length: int = STEPS) -> Steps:
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


def reference(steps: Steps, n_step: int, frame_stack: int, clock: int) -> dict[int, Transition]:
    """All transitions of `clock` finished steps by the time at which they start."""
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


def observation(frame_stack: int, time: jax.Array) -> jax.Array:
    """Vectors for single observations; small images of bytes for stacked ones."""
    if frame_stack == 1:
        return jnp.full((2,), time + 1, jnp.float32)
    return jnp.full((3, 2), time + 1, jnp.uint8)


@functools.partial(jax.jit, static_argnames=("capacity", "frame_stack"))
def filled(steps: Steps, clock: jax.Array, capacity: int, frame_stack: int) -> Ring:
    ring = replay.init(capacity, observation(frame_stack, jnp.int32(0)), jnp.int32(0))

    def step(time: jax.Array, ring: Ring) -> Ring:
        rows = (steps.reward[time], steps.terminated[time], steps.truncated[time])
        following = observation(frame_stack, time + 1)
        return replay.write(ring, time, time, following, *rows, steps.valid[time])

    return jax.lax.fori_loop(0, clock, step, ring)


sample = jax.jit(replay.sample, static_argnums=(3, 4, 5, 6))


def seen(batch: Batch) -> dict[int, int]:
    times, first = np.unique(np.asarray(batch.action), return_index=True)
    return dict(zip(times.tolist(), first.tolist(), strict=True))


def content(frames: list[int | None], frame_stack: int) -> np.ndarray:
    values = [0 if t is None else t + 1 for t in frames]
    if frame_stack == 1:
        return np.full((2,), values[0], np.float32)
    return np.broadcast_to(np.array(values, np.uint8), (3, 2, frame_stack))


CLOCKS = [5, 9, 15, 16, 17, 23, 31, 32, 33, 40, 47, 64]


@pytest.mark.parametrize("frame_stack", [1, 4])
@pytest.mark.parametrize("n_step", [1, 3])
def test_every_sampled_transition_is_one_that_happened(n_step: int, frame_stack: int) -> None:
    kinds = set()
    for seed, clock in enumerate(CLOCKS * 2):
        steps = random_steps(seed)
        ring = filled(steps, jnp.int32(clock), CAPACITY, frame_stack)
        key = jax.random.key(seed)
        batch = jax.device_get(
            sample(ring, key, jnp.int32(clock), 2048, DISCOUNT, n_step, frame_stack)
        )
        happened = reference(steps, n_step, frame_stack, clock)
        # Observations from time clock - CAPACITY + 1 on are still there, and no later step is.
        oldest = 0 if clock < CAPACITY else clock - CAPACITY + frame_stack
        where = seen(batch)
        assert set(where) == set(range(oldest, clock - n_step + 1))
        assert batch.observation.dtype == (np.float32 if frame_stack == 1 else np.uint8)
        for time, row in where.items():
            if not steps.valid[time]:
                assert batch.weight[row] == 0.0
                assert time not in happened
                continue
            true = happened[time]
            np.testing.assert_array_equal(
                batch.observation[row], content(true.frames, frame_stack), str(time)
            )
            np.testing.assert_array_equal(
                batch.next_observation[row], content(true.next_frames, frame_stack), str(time)
            )
            np.testing.assert_allclose(batch.reward[row], true.reward, atol=1e-5)
            np.testing.assert_allclose(batch.discount[row], true.discount, atol=1e-6)
            assert batch.weight[row] == true.weight
            last = (
                time + round(np.log(true.discount) / np.log(DISCOUNT)) - 1 if true.discount else 0
            )
            kinds.add("terminated" if not true.discount else "went on")
            if true.discount and steps.truncated[last]:
                kinds.add("timed out")
            if None in true.frames:
                kinds.add("begins with zeros")
    # The episodes contain all that the test is about.
    wanted = {"terminated", "went on", "timed out"}
    assert kinds == (wanted | {"begins with zeros"} if frame_stack > 1 else wanted)


@pytest.mark.parametrize("frame_stack", [1, 4])
def test_what_the_policy_sees_while_it_acts(frame_stack: int) -> None:
    """At every clock: the newest observation, with frames of its own episode only."""
    steps = random_steps(3)
    observe = jax.jit(replay.observe, static_argnums=2)
    first = 0
    for clock in range(STEPS):
        if clock and (steps.terminated[clock - 1] or steps.truncated[clock - 1]):
            first = clock + 1  # here the last observation of the old episode still stands
        elif first == clock + 1:
            continue
        start = first if first <= clock else None
        ring = filled(steps, jnp.int32(clock), CAPACITY, frame_stack)
        found = np.asarray(observe(ring, jnp.int32(clock), frame_stack))
        if start is not None:
            times = range(clock - frame_stack + 1, clock + 1)
            want = content([t if t >= start else None for t in times], frame_stack)
            np.testing.assert_array_equal(found, want, str(clock))
        else:  # the action on it is ignored; but the newest frame is the true one
            newest = found if frame_stack == 1 else found[..., -1]
            assert (newest == clock + 1).all()


def test_time_outs_bootstrap_and_terminations_do_not() -> None:
    """By hand: two episodes of two steps; the first terminates, the second runs out of time."""
    false = np.zeros(6, bool)
    steps = Steps(
        reward=np.array([1, 2, 0, 3, 4, 0], np.float32),
        terminated=false | np.eye(6, dtype=bool)[1],
        truncated=false | np.eye(6, dtype=bool)[4],
        valid=np.array([1, 1, 0, 1, 1, 0], bool),
    )
    ring = filled(steps, jnp.int32(6), CAPACITY, 1)
    one = jax.device_get(sample(ring, jax.random.key(0), jnp.int32(6), 256, 0.5, 1, 1))
    rows = [seen(one)[t] for t in range(6)]
    valid = [seen(one)[t] for t in (0, 1, 3, 4)]
    np.testing.assert_allclose(one.discount[valid], [0.5, 0, 0.5, 0.5])
    np.testing.assert_allclose(one.weight[rows], [1, 1, 0, 1, 1, 0])
    np.testing.assert_allclose(one.next_observation[rows, 0], [2, 3, 4, 5, 6, 7])
    three = jax.device_get(sample(ring, jax.random.key(0), jnp.int32(6), 256, 0.5, 3, 1))
    rows = [seen(three)[t] for t in (0, 1, 3)]
    np.testing.assert_allclose(three.reward[rows], [1 + 0.5 * 2, 2, 3 + 0.5 * 4])
    np.testing.assert_allclose(three.discount[rows], [0, 0, 0.25])
    np.testing.assert_allclose(three.next_observation[rows, 0], [3, 3, 6])


@pytest.mark.parametrize("clock", [13, 16, 45])
def test_uniform(clock: int) -> None:
    """Chi-square; one in a million would fail by chance, and the seed is fixed."""
    steps = random_steps(0)
    ring = filled(steps, jnp.int32(clock), CAPACITY, 1)
    batch = sample(ring, jax.random.key(clock), jnp.int32(clock), 2**16, DISCOUNT, 1, 1)
    _, counts = np.unique(np.asarray(batch.action), return_counts=True)
    assert len(counts) == min(clock, CAPACITY - 1)
    assert stats.chisquare(counts).pvalue > 1e-6


def test_samples_depend_on_the_key() -> None:
    ring = filled(random_steps(0), jnp.int32(40), CAPACITY, 1)
    draws = [
        sample(ring, jax.random.key(key), jnp.int32(40), 64, DISCOUNT, 1, 1).action
        for key in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize(
    ("shape", "dtype", "action", "action_dtype"),
    [
        ((17,), np.float32, (6,), np.float32),
        ((84, 84), np.uint8, (), np.int32),
        ((4,), bool, (), int),
    ],
)
def test_size_in_bytes_is_that_of_the_arrays(
    shape: tuple[int, ...], dtype: type, action: tuple[int, ...], action_dtype: type
) -> None:
    ring = replay.init(100, jnp.zeros(shape, dtype), jnp.zeros(action, action_dtype))
    actual = sum(leaf.nbytes for leaf in jax.tree.leaves(ring))
    asked = [
        jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in (ring.observation, ring.action)
    ]
    assert replay.size_in_bytes(100, *asked) == actual


def test_the_ring_of_an_atari_member_is_counted_without_being_made() -> None:
    frame = jax.ShapeDtypeStruct((84, 84), jnp.uint8)
    action = jax.ShapeDtypeStruct((), jnp.int32)
    # 84 x 84 bytes of frame, 4 of action, 4 of reward and 3 flags for each row.
    assert replay.size_in_bytes(100_000, frame, action) == 100_000 * (84 * 84 + 4 + 4 + 3)


@pytest.mark.parametrize(("n_step", "frame_stack"), [(1, 4), (3, 2), (4, 1)])
def test_a_ring_that_holds_no_transition_is_refused(n_step: int, frame_stack: int) -> None:
    need = n_step + frame_stack
    ring = filled(random_steps(0), jnp.int32(30), need, frame_stack)
    batch = sample(ring, jax.random.key(0), jnp.int32(30), 8, DISCOUNT, n_step, frame_stack)
    assert set(np.asarray(batch.action).tolist()) == {30 - n_step}  # there is just one
    small = filled(random_steps(0), jnp.int32(30), need - 1, frame_stack)
    with pytest.raises(ValueError, match=rf"^replay.capacity: found {need - 1}; allowed: at least"):
        replay.sample(small, jax.random.key(0), jnp.int32(30), 8, DISCOUNT, n_step, frame_stack)
