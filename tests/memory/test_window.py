"""What is drawn from a replay buffer at which step, against the rule in plain Python."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.memory import replay, window
from sparse_rl.memory.replay import Batch, ReplayBuffer
from sparse_rl.spaces import Outcome
from tests.agents.test_off_policy import RHYTHM, Listener

ROWS, DISCOUNT = 16, 0.9


def buffer_of(steps: int) -> ReplayBuffer:
    """Step t has action t and reward 2^(t mod 5); every seventh step terminates."""
    memory = replay.init(ROWS, jnp.zeros((1, 1)), jnp.zeros(1, jnp.int32))
    write = jax.jit(replay.write)
    for t in range(steps):
        ended = jnp.array([t % 7 == 6])
        outcome = Outcome(
            observation=jnp.full((1, 1), t + 1.0),
            reward=jnp.array([2.0 ** (t % 5)]),
            terminated=ended,
            truncated=jnp.array([False]),
            valid=jnp.array([t % 7 != 0 or t == 0]),
        )
        memory = write(memory, jnp.int32(t), jnp.array([t], jnp.int32), outcome)
    return memory


@pytest.fixture(scope="module")
def memory() -> ReplayBuffer:
    return buffer_of(41)


def test_one_reward_before_its_time_and_n_from_then_on() -> None:
    clocks = [0, 99, 100, 101, 10_000]
    found = [int(window.rewards_now(jnp.int32(clock), 3, 100)) for clock in clocks]
    assert found == [1, 1, 3, 3, 3]
    assert window.rewards_now(jnp.int32(5), 3, 0) is None


@pytest.mark.parametrize("rewards", [1, 2, 3])
def test_a_traced_number_of_rewards_draws_what_a_fixed_one_does(
    memory: ReplayBuffer, rewards: int
) -> None:
    """Bit for bit, though rows are read that are not yet written: the buffer has just turned."""
    key, time = jax.random.key(3), jnp.int32(41)

    def traced(count: jax.Array) -> Batch:
        return replay.sample(memory, key, time, 512, DISCOUNT, 3, rewards=count)

    found = jax.jit(traced)(jnp.int32(rewards))
    fixed = jax.jit(lambda: replay.sample(memory, key, time, 512, DISCOUNT, rewards))()
    for one, other in zip(found, fixed, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("left", [0, 1, 2, 3, 8])
def test_of_a_memory_that_shrank_only_what_was_written_is_drawn(
    memory: ReplayBuffer, n_step: int, left: int
) -> None:
    """With fewer steps left than a target sums, one of the last that it can sum is drawn."""
    shrunk = memory._replace(oldest=jnp.int32(41 - left))
    batch = replay.sample(shrunk, jax.random.key(0), jnp.int32(41), 256, DISCOUNT, n_step)
    first = min(41 - left, 41 - n_step)
    assert set(np.asarray(batch.action).tolist()) == set(range(first, 41 - n_step + 1))


@pytest.mark.parametrize("emptied", [(), (5,), (5, 20), (20, 5, 33)])
@pytest.mark.parametrize("least", [1, 4])
def test_what_an_emptied_buffer_keeps(emptied: tuple[int, ...], least: int) -> None:
    for time in range(40):
        found = window.oldest_kept(jnp.int32(time), emptied, least)
        if not emptied:
            assert found is None
            continue
        last = max((step for step in emptied if step <= time), default=0)
        assert int(found) == max(0, min(last, time - least)), time


def drawn(emptied: tuple[int, ...], clock: int, steps: int, n_step_begin: int = 0) -> set[int]:
    """Steps that one environment's agent learns from at `clock`, of a buffer of 40 rows."""
    rhythm = replace(
        RHYTHM, environments=1, batch_size=4, n_step=2, capacity=40, n_step_begin=n_step_begin
    )
    agent = Listener(replace(rhythm, emptied=emptied))
    return actions_drawn(agent, np.arange(steps)[:, None], 40, clock)


def actions_drawn(agent: Listener, actions: np.ndarray, rows: int, clock: int) -> set[int]:
    """All actions in fifty batches of a buffer in which they were taken, one row after another."""
    steps, environments = actions.shape
    memory = replay.init(rows, jnp.zeros((environments, 3)), jnp.zeros(environments, jnp.int32))
    memory = memory._replace(action=memory.action.at[:steps].set(actions))
    keys = jax.random.split(jax.random.key(0), 50)
    sample = jax.jit(jax.vmap(lambda key: agent.sample(memory, key, jnp.int32(clock)).action))
    return set(np.unique(sample(keys)).tolist())


def test_an_agent_learns_from_what_came_after_and_from_one_batch_at_least() -> None:
    assert drawn((), 30, 30) == set(range(29))
    assert drawn((20,), 30, 30) == set(range(20, 29))
    assert drawn((20,), 20, 20) == {16, 17, 18}  # the last batch of steps: four, two steps each
    assert drawn((20,), 22, 22) == {18, 19, 20}
    assert drawn((20, 28), 30, 30) == {26, 27, 28}
    assert drawn((31,), 30, 30) == set(range(29))  # not yet


def test_an_agent_looks_one_step_ahead_before_and_two_after() -> None:
    # The last step is of use only if one reward is enough.
    assert drawn((), 30, 30, n_step_begin=31) == set(range(30))
    assert drawn((), 30, 30, n_step_begin=30) == set(range(29))


def test_steps_of_all_environments_are_steps_of_each() -> None:
    """Two environments: emptied at 21 of both is after step 11 of each; a batch is two rows."""
    agent = Listener(replace(RHYTHM, emptied=(21,)))
    actions = np.arange(15)[:, None] + np.array([0, 100])
    found = actions_drawn(agent, actions, 32, clock=30)
    assert found == {11, 12, 13, 14, 111, 112, 113, 114}
