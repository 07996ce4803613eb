"""Layers against XLA's own convolution and pooling; PyTorch's rule of initialisation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sparse_rl.architecture import Initializer
from sparse_rl.networks.layers import (
    Convolution,
    Dense,
    LayerNorm,
    Normalize,
    extract_patches,
    max_pool,
)

WINDOWS = [
    ((1, 1), (1, 1), "VALID"),
    ((3, 3), (1, 1), "VALID"),
    ((3, 3), (1, 1), "SAME"),
    ((3, 3), (2, 2), "SAME"),
    ((4, 4), (2, 2), "SAME"),
    ((4, 4), (2, 2), "VALID"),
    ((8, 8), (4, 4), "VALID"),
    ((3, 5), (2, 1), "SAME"),
    ((5, 2), (1, 3), "VALID"),
]


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def by_xla(images, kernel, bias, strides, padding):
    return bias + lax.conv_general_dilated(
        images,
        kernel,
        strides,
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )


@pytest.mark.parametrize(("window", "strides", "padding"), WINDOWS)
def test_convolution_and_its_gradients_equal_xla_s(window, strides, padding):
    images = normal(0, 3, 13, 10, 5)
    layer = Convolution(7, window, strides, padding)
    params = layer.init(jax.random.key(1), images)["params"]

    def ours(images, params):
        return layer.apply({"params": params}, images)

    def theirs(images, params):
        return by_xla(images, params["kernel"], params["bias"], strides, padding)

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
    layer = Convolution(6, (3, 3), (2, 2))
    params = jax.vmap(layer.init)(jax.random.split(jax.random.key(1), 4), images)
    together = jax.vmap(layer.apply)(params, images)
    for member in range(4):
        alone = layer.apply(jax.tree.map(lambda x, m=member: x[m], params), images[member])
        np.testing.assert_allclose(together[member], alone, atol=1e-6)


def test_patches_hold_the_window_in_row_column_channel_order():
    images = np.arange(2 * 5 * 6 * 3, dtype=np.float32).reshape(2, 5, 6, 3)
    patches = extract_patches(jnp.asarray(images), (3, 3), (2, 2))
    assert patches.shape == (2, 2, 2, 27)
    np.testing.assert_array_equal(patches[1, 1, 0], images[1, 2:5, 0:3].reshape(-1))


@pytest.mark.parametrize(("window", "strides", "padding"), WINDOWS)
def test_max_pool_equals_xla_s(window, strides, padding):
    images = normal(0, 2, 11, 8, 3)
    expected = lax.reduce_window(
        images, -jnp.inf, lax.max, (1, *window, 1), (1, *strides, 1), padding
    )
    np.testing.assert_array_equal(max_pool(images, window, strides, padding), expected)


def test_gradient_of_max_pool_goes_to_the_first_of_equal_maxima():
    flat = jnp.zeros((1, 3, 3, 1)).at[0, 1, 2, 0].set(1.0).at[0, 2, 0, 0].set(1.0)
    gradient = jax.grad(lambda x: max_pool(x, (3, 3), (2, 2)).sum())(flat)
    np.testing.assert_array_equal(gradient, jnp.zeros((1, 3, 3, 1)).at[0, 1, 2, 0].set(1.0))
    gradient = jax.grad(lambda x: max_pool(x, (3, 3), (2, 2)).sum())(jnp.zeros((1, 3, 3, 1)))
    np.testing.assert_array_equal(gradient, jnp.zeros((1, 3, 3, 1)).at[0, 0, 0, 0].set(1.0))


@pytest.mark.parametrize(
    ("layer", "inputs", "fan_in"),
    [(Dense(400), jnp.zeros((1, 50)), 50), (Convolution(400, (3, 3)), jnp.zeros((1, 4, 4, 6)), 54)],
)
def test_layers_start_uniformly_within_one_over_the_root_of_fan_in(layer, inputs, fan_in):
    params = layer.init(jax.random.key(3), inputs)["params"]
    bound = fan_in**-0.5
    for leaf in (params["kernel"], params["bias"]):
        assert jnp.abs(leaf).max() <= bound
        assert jnp.abs(leaf).max() > 0.98 * bound
        np.testing.assert_allclose(leaf.std(), bound / 3**0.5, rtol=0.1)
        assert abs(leaf.mean()) < 0.15 * bound


@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_an_orthogonal_kernel_is_its_gain_times_an_orthogonal_matrix(shape):
    layer = Dense(shape[1], Initializer("orthogonal", 0.3))
    params = layer.init(jax.random.key(0), jnp.zeros((1, shape[0])))["params"]
    kernel = np.asarray(params["kernel"])
    smaller = kernel if shape[0] < shape[1] else kernel.T
    np.testing.assert_allclose(smaller @ smaller.T, 0.09 * np.eye(4), atol=1e-6)
    np.testing.assert_array_equal(params["bias"], 0)


def test_orthogonal_kernels_of_several_members_are_made_one_after_the_other():
    """A batch of factorizations never ends where a CPU's devices have one thread each."""
    layer = Dense(4, Initializer("orthogonal"))

    def kernel(key):
        return layer.init(key, jnp.zeros((1, 7)))["params"]["kernel"]

    keys = jax.random.split(jax.random.key(0), 3)
    made = str(jax.make_jaxpr(jax.vmap(kernel))(keys))
    assert "qr" in made and "scan" in made and "f32[3,7,4] = qr" not in made
    for key, one in zip(keys, jax.vmap(kernel)(keys), strict=True):
        np.testing.assert_array_equal(one, kernel(key))


def test_layer_norm_equals_its_formula_far_from_zero_too():
    x = np.random.default_rng(0).normal(1000, 2, (5, 3, 7)).astype(np.float32)
    scale, bias = np.linspace(-1, 2, 7, dtype="f4"), np.linspace(3, 0, 7, dtype="f4")
    found = LayerNorm(1e-5).apply({"params": {"scale": scale, "bias": bias}}, x)
    exact = x.astype(np.float64)
    deviation = np.sqrt(exact.var(axis=-1, keepdims=True) + 1e-5)
    expected = (exact - exact.mean(axis=-1, keepdims=True)) / deviation * scale + bias
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_normalization_is_by_the_statistics_given_clipped_and_teaches_them_nothing():
    layer = Normalize(1e-8, 10.0)
    x = jnp.asarray([[1.0, 500.0], [-3.0, -500.0]])
    given = {"statistics": {"mean": jnp.asarray([1.0, 0.0]), "variance": jnp.asarray([4.0, 1.0])}}
    np.testing.assert_allclose(layer.apply(given, x), [[0.0, 10.0], [-2.0, -10.0]], atol=1e-6)
    gradient = jax.grad(lambda variables: layer.apply(variables, x).sum())(given)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient))
    fresh = layer.init(jax.random.key(0), x)
    np.testing.assert_allclose(layer.apply(fresh, x / 100), x / 100, rtol=1e-6)


def test_layers_multiply_through_the_dot_product_they_are_given():
    seen = []

    def doubled(lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None):
        seen.append((lhs.shape, rhs.shape))
        return 2.0 * lax.dot_general(lhs, rhs, dimension_numbers)

    class Two(nn.Module):
        dot: object

        @nn.compact
        def __call__(self, images):
            features = Convolution(4, (3, 3), dot_general=self.dot, name="c")(images)
            return Dense(5, dot_general=self.dot, name="d")(features.reshape(2, -1))

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
        Convolution(4, (3, 3)).init(jax.random.key(0), jnp.zeros((1, 2, 5, 3)))
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=r"2 x 5 .* 3 x 3"):
        max_pool(jnp.zeros((1, 2, 5, 3)), (3, 3), (2, 2))
