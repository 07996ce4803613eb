"""RLx2's dynamic buffer: what the policy has moved away from is forgotten, a tenth at a time."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.memory import replay, window
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.memory.window import Shrinking
from sparse_rl.spaces import Outcome
from sparse_rl.study.preparation import build_agent

ROWS, ENVIRONMENTS = 64, 2
RULE = Shrinking(threshold=0.2, every=10, least=20, batch_size=2)
"""It looks at 16 steps: 8 rows of two environments."""


def filled(steps: int, then: float, oldest: int = 0) -> ReplayBuffer:
    """Observations count steps; the policy meant `then`; every fifth step teaches nothing."""
    zeros = jnp.zeros((ENVIRONMENTS, 1))
    memory = replay.init(ROWS, zeros, zeros, zeros)._replace(oldest=jnp.int32(oldest))
    times = np.arange(max(0, steps - ROWS + 1), steps)
    newest = np.arange(max(0, steps - ROWS + 1), steps + 1)
    return memory._replace(
        observation=memory.observation.at[newest % ROWS].set(newest[:, None, None]),
        valid=memory.valid.at[times % ROWS].set((times % 5 != 0)[:, None]),
        extras=memory.extras.at[times % ROWS].set(then),
    )


@functools.partial(jax.jit, static_argnums=2)
def looked(memory: ReplayBuffer, time: jax.Array, act: Any, shift: jax.Array) -> ReplayBuffer:
    meant = functools.partial(act, shift)
    return window.shrunk(memory, time, RULE, memory.extras, meant, 1)


def oldest_after(memory: ReplayBuffer, time: int, act: Any, shift: float) -> int:
    found = looked(memory, jnp.int32(time), act, jnp.float32(shift))
    for one, other in zip(found[:-1], memory[:-1], strict=True):
        np.testing.assert_array_equal(one, other)
    return int(found.oldest)


def constant(shift: jax.Array, observation: jax.Array) -> jax.Array:
    return jnp.full_like(observation, 0.1) + shift


def far_from(first: jax.Array, observation: jax.Array) -> jax.Array:
    return jnp.where(observation >= first, 2.0, 0.0)


def by_hand(time: int, oldest: int, distance: float) -> int:
    oldest = max(oldest, time - ROWS + 1)
    size = time - oldest
    forget = distance > RULE.threshold and size * ENVIRONMENTS > RULE.least
    return oldest + (size // 10 if forget else 0)


@pytest.mark.parametrize(("time", "oldest"), [(40, 0), (40, 25), (40, 31), (90, 0), (90, 50)])
@pytest.mark.parametrize("gap", [0.5, 0.7])
def test_a_tenth_goes_where_the_policy_is_far(time: int, oldest: int, gap: float) -> None:
    memory = filled(time, then=0.1, oldest=oldest)
    expected = by_hand(time, oldest, 0.5 * gap**2)
    assert oldest_after(memory, time, constant, gap) == expected
    assert (expected > max(oldest, time - ROWS + 1)) == (
        gap == 0.7 and (time - max(oldest, time - ROWS + 1)) > 10
    )


def test_only_the_oldest_steps_that_teach_something_count() -> None:
    """A policy that changed its mind at step 26 of 40, or where nothing is learned, is near."""
    memory = filled(40, then=0.0, oldest=18)
    # Rows 18 to 25 are looked at; of these 20 and 25 teach nothing.
    assert oldest_after(memory, 40, far_from, 26) == 18
    assert oldest_after(memory, 40, far_from, 25) == 18
    assert oldest_after(memory, 40, far_from, 24) == 18 + 2  # 1/2 * 4 / 6 is more than 0.2


def test_what_is_forgotten_is_not_drawn() -> None:
    memory = filled(40, then=0.0, oldest=33)
    batch = jax.jit(lambda k: replay.sample(memory, k, jnp.int32(40), 256, 0.9, 2))(
        jax.random.key(0)
    )
    assert set(np.unique(batch.observation)) == {33.0, 34.0, 35.0, 36.0, 37.0, 38.0}


VALUES: dict[str, Any] = {
    "environment": "gymnax/Pendulum-v1",
    "network": {"hidden": [8]},
    "replay": {
        "capacity": 200,
        "batch_size": 2,
        "most_distance": 1e-6,
        "distance_every": 20,
        "least": 40,
    },
    "training": {"steps": 400, "learning_starts": 20},
    "sparsity": {"interval": 10},
}


def test_an_agent_keeps_what_its_policy_meant_and_looks_when_it_is_time() -> None:
    config = from_mapping(VALUES)
    agent = build_agent(config, make(config.environment).spec, FLOAT32)
    state = agent.init(jax.random.key(0))
    other = agent.init(jax.random.key(1))
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(101, 1, 3)).astype(np.float32)
    state, memory = agent.begin(state, jnp.asarray(observation[0]), jnp.int32(0))
    flags = jnp.zeros(1, bool)
    remember, explore = jax.jit(agent.remember), jax.jit(agent.explore)
    oldest = []
    for t in range(100):
        action = jnp.full((1, 1), 0.01 * t)
        outcome = Outcome(jnp.asarray(observation[t + 1]), jnp.zeros(1), flags, flags, ~flags)
        # At step 60 the policy becomes another one.
        now = state if t < 60 else other
        seen, clock = agent.observe(memory, jnp.int32(t)), jnp.int32(t)
        _, meant = explore(now, seen, jax.random.key(t), clock)
        _, memory = remember(now, memory, clock, action, meant, outcome)
        oldest.append(int(memory.oldest))
    meant = np.asarray(memory.extras)[:100, 0, 0]
    np.testing.assert_allclose(meant[:20], 0.01 * np.arange(20), rtol=1e-6)
    for rows, own in ((range(20, 60), state), (range(60, 100), other)):
        wanted = agent.act(agent.variables(own), jnp.asarray(observation[list(rows), 0]))
        np.testing.assert_allclose(meant[list(rows)], wanted[:, 0], rtol=1e-5, atol=1e-6)
    # The looks at 20 and 40 find no more than `least`; those at 60 to 100 find random actions.
    assert oldest[58] == 0
    assert oldest[59] == 6 and oldest[78] == 6
    assert oldest[79] == 6 + (80 - 6) // 10
    assert oldest[99] == oldest[79] + (100 - oldest[79]) // 10


@pytest.mark.parametrize(
    ("replay_options", "agent", "line"),
    [
        ({"most_distance": 0.2, "capacity": 200_000}, "sac", "replay.least: found 200000; allowed"),
        ({"most_distance": 0.2, "least": 4_000}, "sac", "replay.least: found 4000; allowed with "),
        ({"most_distance": 0.2}, "dqn", "replay.most_distance: found 0.2 with dqn; allowed: 0"),
        ({"n_step_begin": 5}, "sac", "replay.n_step_begin: found 5 with replay.n_step 1; allowed"),
        (
            {"n_step": 3, "n_step_begin": 1_000_000},
            "sac",
            "replay.n_step_begin: found 1000000; allowed: less than training.steps, 1000000",
        ),
        ({"empty_at": [10_000]}, "sac", "replay.empty_at: found 10000; allowed: steps after "),
        ({"empty_at": [50_000, 1_000_000]}, "dqn", "replay.empty_at: found 1000000; allowed: "),
    ],
)
def test_what_makes_no_sense_is_refused(
    replay_options: dict[str, Any], agent: str, line: str
) -> None:
    with pytest.raises(ValueError, match=line):
        from_mapping({"agent": {"name": agent}, "replay": replay_options})
    end = {"sparsity": {"end": 1.0}, "replay": {"empty_after_pruning": True}}
    with pytest.raises(ValueError, match=r"^replay.empty_after_pruning: found true with "):
        from_mapping(end)
