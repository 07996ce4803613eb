"""Running statistics against NumPy over all observations in one go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.agents import normalization
from sparse_rl.memory.rollout import Rollout

SHAPE = (3, 2)


def observations(dtype: type) -> np.ndarray:
    """[steps, environments, ...]; far from zero, and of very different sizes."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 4, *SHAPE)) * [[1e-2, 1.0], [3.0, 20.0], [5.0, 0.5]]
    values += [[0.5, -3.0], [40.0, 100.0], [-10.0, 0.0]]
    return np.clip(values, 0, 255).astype(dtype) if dtype != np.float32 else values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_all_observations_count_the_same(dtype: type) -> None:
    """As many updates as there were steps give what NumPy finds over all of them at once."""
    seen = observations(dtype)
    update = jax.jit(normalization.update)
    statistics = normalization.init(SHAPE)
    for step in seen:
        statistics = update(statistics, jnp.asarray(step))
    everything = seen.reshape(-1, *SHAPE).astype(np.float64)
    deviation = everything.std(axis=0)
    assert statistics.seen == pytest.approx(len(everything), rel=1e-6)
    # The first statistics, mean 0 and variance 1, have the weight of 1e-4 observations of 800.
    assert (np.abs(statistics.mean - everything.mean(axis=0)) < 2e-5 * (1 + deviation)).all()
    constant = deviation == 0
    np.testing.assert_allclose(
        statistics.variance[~constant], deviation[~constant] ** 2, rtol=2e-3, atol=1e-5
    )
    assert (statistics.variance[constant] < 1e-5).all()


@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_after_so_many_observations_that_one_more_counts_for_nothing(spread: float) -> None:
    """From 2^24 on n + 1 is n in float32: mean and variance stay what they are."""
    statistics = normalization.RunningStatistics(
        jnp.float32(2.0**24), jnp.full(1, 1.0), jnp.full(1, spread**2)
    )

    def observed(statistics: normalization.RunningStatistics, step: jax.Array) -> tuple:
        sign = jnp.where(step % 2 == 0, 1.0, -1.0)
        return normalization.update(statistics, jnp.full((1, 1), 1.0 + sign * spread)), ()

    found, _ = jax.lax.scan(observed, statistics, jnp.arange(200_000))
    np.testing.assert_allclose(found.mean, 1.0, atol=1e-3)
    np.testing.assert_allclose(found.variance, spread**2, rtol=2e-3)


def test_a_constant_observation_does_not_blow_up() -> None:
    """Its variance goes to zero, and its normalized value to zero too, not to the clip."""
    statistics = normalization.init((1,))
    for _ in range(1_000):
        statistics = normalization.update(statistics, jnp.full((2, 1), 7.0))
    assert float(normalization.apply(statistics, jnp.full((1, 1), 7.0))[0, 0]) == pytest.approx(
        0, abs=0.05
    )


def test_apply_by_hand() -> None:
    """(x - mean) / sqrt(variance + 1e-8), within ten of zero."""
    statistics = normalization.RunningStatistics(
        jnp.float32(9), jnp.array([1.0, -2.0, 0.0, 0.0]), jnp.array([4.0, 0.25, 0.0, 1.0])
    )
    batch = jnp.array([[5.0, -2.0, 1e-4, 3.0], [0.0, 1.0, 0.0, -1e6], [1e6, 9.0, -2e-3, 0.0]])
    wanted = [[2.0, 0.0, 1.0, 3.0], [-0.5, 6.0, 0.0, -10.0], [10.0, 10.0, -10.0, 0.0]]
    np.testing.assert_allclose(normalization.apply(statistics, batch), wanted, rtol=1e-6)


def test_without_statistics_nothing_changes() -> None:
    batch = jnp.arange(3, dtype=jnp.uint8)
    assert normalization.apply((), batch) is batch
    params = {"params": {"hidden_0": 1}}
    assert normalization.variables(params, ()) is params


def test_a_policys_variables_hold_what_its_first_operation_reads() -> None:
    statistics = normalization.init(SHAPE)
    params = {"params": {"hidden_0": {"kernel": jnp.ones(2)}}}
    found = normalization.variables(params, statistics)
    assert found["params"] is params["params"]
    assert set(found) == {"params", "statistics"}
    assert found["statistics"] == {
        "normalize": {"mean": statistics.mean, "variance": statistics.variance}
    }


def test_before_any_observation_the_statistics_change_nothing() -> None:
    batch = jnp.array([[0.5, -3.0]])
    found = normalization.apply(normalization.init((2,)), batch)
    np.testing.assert_allclose(found, batch, rtol=1e-6)


def test_rewards_are_scaled_as_vec_normalize_scales_them() -> None:
    """Step by step in NumPy, with every return so far kept; resets count for nothing."""
    random = np.random.default_rng(3)
    steps, environments, discount = 40, 3, 0.9
    reward = random.normal(2.0, 5.0, (steps, environments))
    terminated = random.random((steps, environments)) < 0.15
    valid = np.ones_like(terminated)
    valid[1:] = ~terminated[:-1]
    terminated &= valid
    reward[~valid] = 0.0
    running, returns, wanted = np.zeros(environments), [], []
    for t in range(steps):
        running = np.where(valid[t], discount * running + reward[t], running)
        returns += list(running[valid[t]])
        deviation = np.sqrt(np.var(returns) + 1e-8)
        wanted.append(np.clip(reward[t] / deviation, -10, 10))
        running = np.where(terminated[t], 0.0, running)
    flags = (jnp.asarray(terminated), jnp.zeros((steps, environments), bool), jnp.asarray(valid))
    rollout = Rollout(
        jnp.zeros((steps + 1, environments, 1)),
        jnp.zeros((steps, environments)),
        jnp.asarray(reward, jnp.float32),
        *flags,
        (),
    )
    first = normalization.init_returns(environments)
    # In two parts: what is carried over is all that counts.
    halves = [jax.tree.map(lambda leaf, s=s: leaf[s], rollout) for s in (slice(25), slice(25, 40))]
    middle, early = jax.jit(normalization.scaled_rewards, static_argnums=2)(
        first, halves[0], discount
    )
    last, late = normalization.scaled_rewards(middle, halves[1], discount)
    found = np.concatenate([early, late])
    # The first steps still feel the variance of 1 that there was, with the weight of 1e-4 returns.
    np.testing.assert_allclose(found[3:], np.array(wanted)[3:], rtol=2e-3, atol=1e-4)
    assert last.variance == pytest.approx(np.var(returns), rel=1e-3)
    np.testing.assert_allclose(last.running, running, rtol=1e-4)
