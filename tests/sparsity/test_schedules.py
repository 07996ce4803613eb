"""The cubic schedule against the paper's formula in plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_rl.sparsity.schedules import CubicSchedule

# SAC: 600 steps of 1,000 from 200,000 of 1M; DQN: 300 of 20,000 from 2M of 10M.
PAPER = [CubicSchedule(200_000, 800_000, 1_000), CubicSchedule(2_000_000, 8_000_000, 20_000)]


def formula(begin: int, steps: int, interval: int, clock: int) -> float:
    """s_t / s_f of Zhu and Gupta (2017), equation 1, for t on the grid."""
    return 1 - (1 - (clock - begin) / (steps * interval)) ** 3


@pytest.mark.parametrize(("schedule", "steps"), zip(PAPER, (600, 300), strict=True))
def test_papers_grid(schedule: CubicSchedule, steps: int) -> None:
    begin, end, interval = schedule
    clocks = jnp.arange(begin - 5 * interval, end + 5 * interval + 1, interval // 8)
    due = np.asarray(jax.jit(jax.vmap(schedule.is_due))(clocks))
    assert list(np.asarray(clocks)[due]) == [begin + i * interval for i in range(steps + 1)]
    share = np.asarray(jax.jit(jax.vmap(schedule.share))(clocks[due]))
    expected = [formula(begin, steps, interval, int(clock)) for clock in clocks[due]]
    np.testing.assert_allclose(share, expected, atol=3e-7)
    assert share[0] == 0.0 and share[-1] == 1.0
    assert (np.diff(share) >= 0).all()


def test_outside_of_pruning() -> None:
    schedule = PAPER[0]
    assert schedule.share(jnp.int32(0)) == 0.0
    assert schedule.share(jnp.int32(199_999)) == 0.0
    assert schedule.share(jnp.int32(800_001)) == 1.0
    assert schedule.share(jnp.int32(1_200_000)) == 1.0
    assert not schedule.is_due(jnp.int32(199_000))
    assert not schedule.is_due(jnp.int32(801_000))


@jax.jit
def due_and_share(schedule: CubicSchedule, clock: jax.Array) -> tuple[jax.Array, jax.Array]:
    return schedule.is_due(clock), schedule.share(clock)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    begin=st.integers(0, 2**30),
    span=st.integers(1, 2**30),
    interval=st.integers(1, 2**20),
    offset=st.integers(-(2**20), 2**20),
)
def test_any_schedule_ends_exactly_and_follows_the_formula(
    begin: int, span: int, interval: int, offset: int
) -> None:
    schedule = CubicSchedule(begin, begin + span, min(interval, span))
    due, share = due_and_share(schedule, jnp.int32(begin + span))
    assert due and share == 1.0
    due, share = due_and_share(schedule, jnp.int32(begin))
    assert due and share == 0.0
    clock = min(max(begin + offset, 0), begin + span)
    due, share = due_and_share(schedule, jnp.int32(clock))
    on_grid = clock >= begin and (clock - begin) % schedule.interval == 0
    assert bool(due) == (on_grid or clock == begin + span)
    expected = formula(begin, 1, span, max(clock, begin))
    assert abs(float(share) - expected) < 3e-7


def test_share_never_falls() -> None:
    clocks = jnp.arange(0, 20_000)
    share = np.asarray(jax.vmap(CubicSchedule(1_234, 17_891, 7).share)(clocks))
    assert (np.diff(share) >= 0).all()
