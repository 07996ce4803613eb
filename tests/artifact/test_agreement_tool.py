"""The comparison behind benchmarks/agreement.py."""

import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from benchmarks.agreement import compare, counted, pruned


def test_differences_are_weighted_by_how_often_an_observation_was_seen():
    expected = np.array([[1.0, 4.0], [3.0, 2.0], [0.0, 1.0]], np.float32)
    found = np.array([[1.0, 4.0], [2.0, 2.5]], np.float32)
    result = compare(expected, found, np.array([1, 1]), np.array([6, 2, 100]))
    assert (result.observations, result.different) == (8, 2)  # the third was not reached
    assert result.equal_actions == pytest.approx(6 / 8)
    assert result.largest_difference == pytest.approx(1 / 4)
    assert result.largest_loss == pytest.approx((3 - 2) / 4)
    assert result.commonest_action == pytest.approx(6 / 8)


def test_every_observation_is_counted_once():
    seen = np.array([3, 5, 3, 3, 7, 5], np.uint8)[:, None]
    different, times = counted(seen)
    found = dict(zip(different[:, 0].tolist(), times.tolist(), strict=True))
    assert found == {3: 3, 5: 2, 7: 1}


def test_the_largest_weights_survive_with_the_variance_of_he():
    kernel = np.random.default_rng(0).uniform(-1, 1, (50, 40)).astype(np.float32)
    tree = {"hidden_0": {"kernel": jnp.asarray(kernel), "bias": jnp.ones(40)}}
    after = pruned(tree, 0.98)["hidden_0"]
    kept = after["kernel"] != 0
    assert kept.sum() == 40
    assert np.abs(kernel[kept]).min() > np.abs(kernel[~kept]).max()
    assert np.mean(np.square(after["kernel"])) == pytest.approx(2 / 50, rel=1e-5)
    assert np.array_equal(after["bias"], np.ones(40))
