"""Running statistics against NumPy over all observations in one go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.agents import normalization

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
