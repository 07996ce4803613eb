"""What a stored observation becomes."""

import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.networks import as_float32


def test_pixels_become_fractions_planes_zero_or_one_and_floats_stay():
    pixels = as_float32(jnp.array([[0, 51, 255]], jnp.uint8))
    assert pixels.dtype == jnp.float32
    np.testing.assert_allclose(pixels, [[0.0, 0.2, 1.0]], rtol=1e-6)
    planes = as_float32(jnp.array([[True, False]]))
    assert planes.dtype == jnp.float32
    np.testing.assert_array_equal(planes, [[1.0, 0.0]])
    state = jnp.array([[-3.5, 300.0]])
    np.testing.assert_array_equal(as_float32(state), state)


def test_another_dtype_is_refused_by_name():
    with pytest.raises(ValueError, match=r"found int32, allowed are float32, bool and uint8"):
        as_float32(jnp.zeros((1, 2), jnp.int32))
