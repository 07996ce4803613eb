"""Layers against XLA's own convolution and pooling; PyTorch's rule of initialisation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sparse_rl.networks import Convolution, Dense, extract_patches, max_pool

WINDOWS = [
    (1, 1, "VALID"),
    (3, 1, "VALID"),
    (3, 1, "SAME"),
    (3, 2, "SAME"),
    (4, 2, "SAME"),
    (4, 2, "VALID"),
    (8, 4, "VALID"),
]


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def by_xla(images, kernel, bias, stride, padding):
    return bias + lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )


@pytest.mark.parametrize(("size", "stride", "padding"), WINDOWS)
def test_convolution_and_its_gradients_equal_xla_s(size, stride, padding):
    images = normal(0, 3, 13, 10, 5)
    layer = Convolution(7, size, stride, padding)
    params = layer.init(jax.random.key(1), images)["params"]

    def ours(images, params):
        return layer.apply({"params": params}, images)

    def theirs(images, params):
        return by_xla(images, params["kernel"], params["bias"], stride, padding)

    @jax.jit(static_argnums=0)
    def output_and_gradients(function, images, params):
        output, pull_back = jax.vjp(function, images, params)
        return output, pull_back(
            jnp.cos(jnp.arange(output.size, dtype=float)).reshape(output.shape)
        )

    (output, gradients), (expected, expected_gradients) = (
        output_and_gradients(function, images, params) for function in (ours, theirs)
    )
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), gradients, expected_gradients
    )


def test_convolution_under_vmap_equals_one_member_after_the_other():
    images = normal(0, 4, 2, 9, 9, 3)
    layer = Convolution(6, 3, 2)
    params = jax.vmap(layer.init)(jax.random.split(jax.random.key(1), 4), images)
    together = jax.vmap(layer.apply)(params, images)
    for member in range(4):
        alone = layer.apply(jax.tree.map(lambda x, m=member: x[m], params), images[member])
        np.testing.assert_allclose(together[member], alone, atol=1e-6)


def test_patches_hold_the_window_in_row_column_channel_order():
    images = np.arange(2 * 5 * 6 * 3, dtype=np.float32).reshape(2, 5, 6, 3)
    patches = extract_patches(jnp.asarray(images), 3, 2)
    assert patches.shape == (2, 2, 2, 27)
    np.testing.assert_array_equal(patches[1, 1, 0], images[1, 2:5, 0:3].reshape(-1))


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1)])
def test_max_pool_equals_xla_s(size, stride):
    images = normal(0, 2, 11, 8, 3)
    expected = lax.reduce_window(
        images, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), "VALID"
    )
    np.testing.assert_array_equal(max_pool(images, size, stride), expected)


def test_gradient_of_max_pool_goes_to_the_first_of_equal_maxima():
    flat = jnp.zeros((1, 3, 3, 1)).at[0, 1, 2, 0].set(1.0).at[0, 2, 0, 0].set(1.0)
    gradient = jax.grad(lambda x: max_pool(x, 3, 2).sum())(flat)
    np.testing.assert_array_equal(gradient, jnp.zeros((1, 3, 3, 1)).at[0, 1, 2, 0].set(1.0))
    gradient = jax.grad(lambda x: max_pool(x, 3, 2).sum())(jnp.zeros((1, 3, 3, 1)))
    np.testing.assert_array_equal(gradient, jnp.zeros((1, 3, 3, 1)).at[0, 0, 0, 0].set(1.0))


@pytest.mark.parametrize(
    ("layer", "inputs", "fan_in"),
    [(Dense(400), jnp.zeros((1, 50)), 50), (Convolution(400, 3), jnp.zeros((1, 4, 4, 6)), 54)],
)
def test_layers_start_uniformly_within_one_over_the_root_of_fan_in(layer, inputs, fan_in):
    params = layer.init(jax.random.key(3), inputs)["params"]
    bound = fan_in**-0.5
    for leaf in (params["kernel"], params["bias"]):
        assert jnp.abs(leaf).max() <= bound
        assert jnp.abs(leaf).max() > 0.98 * bound
        np.testing.assert_allclose(leaf.std(), bound / 3**0.5, rtol=0.1)
        assert abs(leaf.mean()) < 0.15 * bound


def test_layers_multiply_through_the_dot_product_they_are_given():
    seen = []

    def doubled(lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None):
        seen.append((lhs.shape, rhs.shape))
        return 2.0 * lax.dot_general(lhs, rhs, dimension_numbers)

    class Two(nn.Module):
        dot: object

        @nn.compact
        def __call__(self, images):
            features = Convolution(4, 3, dot_general=self.dot, name="c")(images)
            return Dense(5, self.dot, name="d")(features.reshape(2, -1))

    images = normal(0, 2, 5, 5, 3)
    params = Two(lax.dot_general).init(jax.random.key(0), images)
    without_biases = jax.tree_util.tree_map_with_path(
        lambda path, x: x if path[-1].key == "kernel" else jnp.zeros_like(x), params
    )
    plain = Two(lax.dot_general).apply(without_biases, images)
    np.testing.assert_allclose(Two(doubled).apply(without_biases, images), 4.0 * plain, rtol=1e-5)
    assert seen == [((2, 3, 3, 27), (27, 4)), ((2, 36), (36, 5))]


def test_an_image_smaller_than_the_window_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"2 x 5 .* 3 x 3") as refusal:
        Convolution(4, 3).init(jax.random.key(0), jnp.zeros((1, 2, 5, 3)))
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=r"2 x 5 .* 3 x 3"):
        max_pool(jnp.zeros((1, 2, 5, 3)), 3, 2)
