"""Rollouts against sums over each episode, written as the definition has them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.memory import replay, rollout
from sparse_rl.memory.rollout import Rollout
from sparse_rl.spaces import Outcome

STEPS, ENVIRONMENTS, DISCOUNT = 24, 3, 0.9


def random_rollout(seed: int) -> tuple[Rollout, np.ndarray]:
    """Episodes of random lengths, each followed by a reset; some terminate, some are cut."""
    random = np.random.default_rng(seed)
    shape = (STEPS, ENVIRONMENTS)
    terminated, truncated = np.zeros((2, *shape), bool)
    valid = np.ones(shape, bool)
    for e in range(ENVIRONMENTS):
        t = 0
        while (t := t + int(random.integers(1, 6))) < STEPS:
            terminated[t, e] = random.random() < 0.5
            truncated[t, e] = not terminated[t, e] or random.random() < 0.2
            if t + 1 < STEPS:
                valid[t + 1, e] = False
            t += 1
    reward = np.where(valid, random.normal(size=shape), 0.0)
    values = random.normal(size=(STEPS + 1, ENVIRONMENTS))
    steps = Rollout(
        jnp.zeros((STEPS + 1, ENVIRONMENTS, 1)),
        jnp.zeros(shape),
        jnp.asarray(reward, jnp.float32),
        jnp.asarray(terminated),
        jnp.asarray(truncated),
        jnp.asarray(valid),
        (),
    )
    return steps, values


def n_step_advantage(steps: Rollout, values: np.ndarray, t: int, e: int, n: int) -> float:
    """sum_k g^k r_{t+k} + g^m V(s_{t+m}) - V(s_t) over m <= n steps of the episode."""
    total, m = 0.0, 0
    while m < n and t + m < STEPS:
        total += DISCOUNT**m * float(steps.reward[t + m, e])
        m += 1
        if steps.terminated[t + m - 1, e]:
            return total - values[t, e]
        if steps.truncated[t + m - 1, e]:
            break
    return total + DISCOUNT**m * values[t + m, e] - values[t, e]


def length(steps: Rollout, t: int, e: int) -> int:
    """Steps from t to the end of the episode or of the rollout."""
    m = 1
    while t + m < STEPS and not (steps.terminated | steps.truncated)[t + m - 1, e]:
        m += 1
    return m


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_the_estimate_is_the_weighted_mean_of_n_step_advantages(gae_lambda: float) -> None:
    """(1 - l) sum_n l^(n-1) A^(n), the last with what is left (Schulman et al. 2016, eq. 16)."""
    for seed in range(3):
        steps, values = random_rollout(seed)
        found = rollout.advantages(steps, jnp.asarray(values, jnp.float32), DISCOUNT, gae_lambda)
        for t in range(STEPS):
            for e in range(ENVIRONMENTS):
                if not steps.valid[t, e]:
                    assert found[t, e] == 0
                    continue
                most = length(steps, t, e)
                weights = [(1 - gae_lambda) * gae_lambda ** (n - 1) for n in range(1, most)]
                weights.append(gae_lambda ** (most - 1))
                each = [n_step_advantage(steps, values, t, e, n) for n in range(1, most + 1)]
                assert found[t, e] == pytest.approx(np.dot(weights, each), abs=2e-5)


@pytest.mark.parametrize("frame_stack", [1, 3])
def test_the_last_steps_are_in_their_order_wherever_the_buffer_is(frame_stack: int) -> None:
    """Step t writes t everywhere; whatever the time, a rollout holds the last four of them."""
    buffer = replay.init(
        rollout.rows(4, frame_stack), jnp.zeros((2, 1)), jnp.zeros(2), {"kept": jnp.zeros(2)}
    )
    write = jax.jit(replay.write)
    for t in range(11):
        number = jnp.full(2, float(t))
        no = jnp.zeros(2, bool)
        outcome = Outcome(number[:, None] + 1, number, no, no, ~no)
        buffer = write(buffer, jnp.int32(t), number, outcome, {"kept": 10 * number})
        if t < 3:
            continue
        found = rollout.last_steps(buffer, jnp.int32(t + 1), 4, frame_stack)
        wanted = np.arange(t - 3, t + 1)
        np.testing.assert_array_equal(found.reward[:, 0], wanted)
        np.testing.assert_array_equal(found.action[:, 1], wanted)
        np.testing.assert_array_equal(found.extras["kept"][:, 0], 10 * wanted)
        newest = found.observation if frame_stack == 1 else found.observation[..., -1]
        np.testing.assert_array_equal(newest[:, 0, 0], np.arange(t - 3, t + 2))
        if frame_stack == 3 and t >= 5:
            np.testing.assert_array_equal(found.observation[0, 0, 0], [t - 5, t - 4, t - 3])


@pytest.mark.parametrize("share", [0.0, 0.65, 1.0])
def test_lambda_returns_are_their_recursion(share: float) -> None:
    """G = r + g ((1 - lambda) V' + lambda G'), backwards, step by step and in float64."""
    steps, values = random_rollout(5)
    found = rollout.lambda_returns(steps, jnp.asarray(values, jnp.float32), DISCOUNT, share)
    for e in range(ENVIRONMENTS):
        later = values[STEPS, e]
        for t in reversed(range(STEPS)):
            following = values[t + 1, e]
            mixed = (1 - share) * following + share * later
            if steps.truncated[t, e]:
                mixed = following
            if steps.terminated[t, e]:
                mixed = 0.0
            later = float(steps.reward[t, e]) + DISCOUNT * mixed
            if steps.valid[t, e]:
                np.testing.assert_allclose(found[t, e], later, rtol=1e-4, atol=1e-5)
