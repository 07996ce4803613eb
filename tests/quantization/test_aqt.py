"""int8 dot products against an independent computation in NumPy integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sparse_rl.architecture import Observation, hidden_layers
from sparse_rl.dot_products import FLOAT32
from sparse_rl.networks import Critic, GaussianActor, QNetwork
from sparse_rl.quantization import dot_products, quantize_weights
from tests.example_networks import gaussian, q_values

DENSE = (((1,), (0,)), ((), ()))
CONVOLUTION = (((3,), (0,)), ((), ()))
MODES = ["int8w", "int8"]

pytestmark = pytest.mark.usefixtures("compiled_as_usual")


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def in_integers(x: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Integers and scale by the rule in the module's documentation, with NumPy alone."""
    largest = np.abs(x).max(axis=axes, keepdims=True)
    scale = np.where(largest == 0, np.float32(1), largest) * np.float32(1 / 127)
    integers = np.rint(np.clip(x * (np.float32(1) / scale), -127, 127)).astype(np.int64)
    return integers, scale


def dense_in_integers(x: np.ndarray, w: np.ndarray, mode: str) -> np.ndarray:
    w_int, w_scale = in_integers(w, (0, 1))
    if mode == "int8w":
        return x.astype(np.float64) @ w_int * w_scale
    x_int, x_scale = in_integers(x, (1,))
    return (x_int @ w_int) * x_scale.astype(np.float64) * w_scale


def convolution_in_integers(x: np.ndarray, w: np.ndarray, mode: str) -> np.ndarray:
    w_int, w_scale = in_integers(w, (0,))
    if mode == "int8w":
        return x.astype(np.float64) @ w_int * w_scale[0]
    x_int, x_scale = in_integers(x, (1, 2, 3))
    return (x_int @ w_int) * x_scale.astype(np.float64) * w_scale[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", [1, 32])
def test_dense_product_equals_integer_arithmetic(mode, batch):
    x, w = numbers(0, batch, 40) * 3, numbers(1, 40, 25) * 0.1
    found = jax.jit(dot_products(mode).dense, static_argnums=2)(x, w, DENSE)
    expected = dense_in_integers(x, w, mode)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(expected - x @ w).max() > 1e-3  # so float32 would not pass


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", [1, 8])
def test_convolution_s_product_equals_integer_arithmetic(mode, batch):
    x, w = numbers(0, batch, 4, 5, 18), numbers(1, 18, 6) * np.logspace(-2, 1, 6, dtype="f4")
    found = jax.jit(dot_products(mode).convolution, static_argnums=2)(x, w, CONVOLUTION)
    expected = convolution_in_integers(x, w, mode)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    one_scale = np.rint(w / np.abs(w).max() * 127) / 127 * np.abs(w).max()
    assert np.abs(x @ one_scale - x @ w)[..., 0].max() > 5 * np.abs(expected - x @ w)[..., 0].max()


def test_weights_only_leaves_activations_alone():
    # integers times 1/127 of the scale's power of two: weights that int8 holds exactly
    w = np.random.default_rng(0).integers(-127, 128, (30, 20)).astype(np.float32)
    w[0, 0] = 127
    x = numbers(1, 4, 30)
    weights_only = dot_products("int8w").dense(x, w, DENSE)
    both = dot_products("int8").dense(x, w, DENSE)
    np.testing.assert_allclose(weights_only, x @ w, rtol=1e-4, atol=1e-3)
    assert np.abs(both - x @ w).max() > 0.1


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        ("dense", (17, 256), (0, 1)),
        ("convolution", (3, 3, 4, 16), (0, 1, 2)),
        ("dense", (1, 1), (0, 1)),
    ],
)
def test_exported_integers_and_scales(layer, shape, axes):
    for seed in range(20):
        kernel = numbers(seed, *shape)
        values, scale = quantize_weights(jnp.asarray(kernel), layer)
        expected, expected_scale = in_integers(kernel, axes)
        assert values.dtype == jnp.int8
        assert scale.dtype == jnp.float32
        assert scale.shape == (() if layer == "dense" else shape[-1:])
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(scale, expected_scale.reshape(scale.shape))


@pytest.mark.parametrize("layer", ["dense", "convolution"])
def test_exported_weights_are_those_of_the_forward_pass_bit_for_bit(layer):
    w = jnp.asarray(numbers(0, 36, 16))
    product = getattr(dot_products("int8w"), layer)
    if layer == "dense":
        forward = jax.jit(lambda w: product(jnp.eye(36), w, DENSE))(w)
    else:
        forward = jax.jit(lambda w: product(jnp.eye(36)[:, None, None], w, CONVOLUTION))(w)[:, 0, 0]
    values, scale = quantize_weights(w, layer)
    np.testing.assert_array_equal(forward, values.astype(jnp.float32) * scale)


def test_quantizing_what_was_quantized_changes_nothing():
    values, scale = quantize_weights(jnp.asarray(numbers(0, 64, 32)), "dense")
    again, scale_again = quantize_weights(values * scale, "dense")
    np.testing.assert_array_equal(again, values)
    np.testing.assert_allclose(scale_again, scale, rtol=1e-6)
    assert jnp.abs(values).max() == 127


def test_pruned_weights_stay_zero_and_layers_of_zeros_give_zero():
    kernel = numbers(0, 50, 40)
    pruned = np.random.default_rng(1).random((50, 40)) < 0.9
    kernel[pruned] = 0
    for layer in ("dense", "convolution"):
        values, _ = quantize_weights(jnp.asarray(kernel), layer)
        assert not np.asarray(values)[pruned].any()
    zeros = jnp.zeros((5, 7))
    values, scale = quantize_weights(zeros, "dense")
    assert not values.any()
    assert scale == np.float32(1 / 127)
    for mode in MODES:
        dense = dot_products(mode).dense
        np.testing.assert_array_equal(dense(jnp.ones((3, 5)), zeros, DENSE), 0.0)
        np.testing.assert_array_equal(dense(jnp.zeros((3, 5)), jnp.ones((5, 7)), DENSE), 0.0)


@pytest.mark.parametrize("mode", MODES)
def test_dense_gradient_is_the_straight_through_formula(mode):
    x, w, upstream = numbers(0, 6, 20), numbers(1, 20, 9), numbers(2, 6, 9)
    dense = dot_products(mode).dense
    _, pull_back = jax.vjp(lambda x, w: dense(x, w, DENSE), x, w)
    gradient_x, gradient_w = pull_back(jnp.asarray(upstream))
    w_int, w_scale = in_integers(w, (0, 1))
    x_int, x_scale = in_integers(x, (1,))
    seen_x = x if mode == "int8w" else x_int * x_scale
    np.testing.assert_allclose(gradient_x, upstream @ (w_int * w_scale).T, atol=2e-5)
    np.testing.assert_allclose(gradient_w, seen_x.T @ upstream, atol=2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_convolution_s_gradient_is_the_straight_through_formula(mode):
    x, w, upstream = numbers(0, 3, 4, 5, 18), numbers(1, 18, 6), numbers(2, 3, 4, 5, 6)
    convolution = dot_products(mode).convolution
    _, pull_back = jax.vjp(lambda x, w: convolution(x, w, CONVOLUTION), x, w)
    gradient_x, gradient_w = pull_back(jnp.asarray(upstream))
    w_int, w_scale = in_integers(w, (0,))
    x_int, x_scale = in_integers(x, (1, 2, 3))
    seen_x = x if mode == "int8w" else x_int * x_scale
    np.testing.assert_allclose(gradient_x, upstream @ (w_int * w_scale).T, atol=2e-5)
    np.testing.assert_allclose(gradient_w, np.einsum("bhwk,bhwc->kc", seen_x, upstream), atol=5e-5)


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        (
            lambda dots: GaussianActor(gaussian(17, 6, (256, 256)), dots),
            (numbers(0, 16, 17) * np.logspace(-2, 2, 16, dtype="f4")[:, None],),
        ),
        (
            lambda dots: QNetwork(q_values("minatar", (10, 10, 4), "bool", 6, (128,)), dots),
            (np.random.default_rng(0).random((16, 10, 10, 4)) < 0.2,),
        ),
    ],
)
def test_one_observation_acts_as_it_does_within_a_batch_bit_for_bit(network, arguments):
    network = network(dot_products("int8"))
    params = jax.jit(network.init)(jax.random.key(0), *arguments)
    act = jax.jit(network.apply)
    together = act(params, *arguments)
    for row in (0, 7, 15):
        alone = act(params, *(argument[row : row + 1] for argument in arguments))
        jax.tree.map(lambda a, b, r=row: np.testing.assert_array_equal(a[r], b[0]), together, alone)


@pytest.mark.parametrize("mode", MODES)
def test_a_population_in_a_scan_equals_each_member_alone(mode):
    dots = dot_products(mode)
    network = Critic(Observation((4,)), hidden_layers((16, 16)), dots)
    observations, actions = numbers(0, 3, 8, 4), numbers(1, 3, 8, 2)
    scales = jnp.array([1.0, 10.0, 100.0])  # a scale shared between members would show
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 3), observations, actions)
    params = jax.tree.map(lambda x: x * scales.reshape(3, *[1] * (x.ndim - 1)), params)

    def train(params, observation, action):
        def loss(params):
            return ((network.apply(params, observation, action) - 1.0) ** 2).mean()

        def step(params, _):
            value, gradient = jax.value_and_grad(loss)(params)
            return jax.tree.map(lambda p, g: p - 1e-6 * g, params, gradient), value

        return lax.scan(step, params, None, length=3)

    together = jax.jit(jax.vmap(train))(params, observations, actions)
    for member in range(3):
        alone = jax.jit(train)(
            jax.tree.map(lambda x, m=member: x[m], params), observations[member], actions[member]
        )
        jax.tree.map(
            lambda a, b, m=member: np.testing.assert_allclose(a[m], b, rtol=1e-3, atol=1e-5),
            together,
            alone,
        )


def test_rounding_is_deterministic_and_half_goes_to_even():
    kernel = jnp.asarray(np.array([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5]], np.float32))
    values, scale = quantize_weights(kernel, "dense")
    assert scale == np.float32(127) * np.float32(1 / 127)
    np.testing.assert_array_equal(values, [[127, 0, 2, 2, 0, -2]])


def test_float32_is_the_plain_product_and_other_names_are_refused():
    assert dot_products("float32") is FLOAT32
    with pytest.raises(ValueError, match=r"found 'int4', allowed are float32, int8w, int8"):
        dot_products("int4")
