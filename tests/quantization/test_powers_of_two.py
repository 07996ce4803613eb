"""int8 with fixed powers of two against whole numbers in NumPy, and what makes it exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.dot_products import FLOAT32
from sparse_rl.networks import FlaxNetwork
from sparse_rl.quantization import dot_products
from sparse_rl.quantization.powers_of_two import DECAY, affine, largest_so_far, scale_of
from tests.example_networks import gaussian, q_values


def smallest_power(largest: float) -> float:
    """By trying one after the other."""
    power = -100
    while 127 * 2.0**power < largest:
        power += 1
    return 2.0**power


def layer_in_integers(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, largest: np.ndarray
) -> tuple[np.ndarray, float]:
    """Sums in whole units, and the unit, by the formulas of the module's documentation."""
    s = np.array([smallest_power(m) for m in np.ravel(largest)])
    rows = w.astype(np.float64) * s[:, None]
    unit = smallest_power(np.abs(rows).max())
    q = np.rint(np.clip(x / s, -127, 127)).astype(np.int64)
    return q @ np.rint(rows / unit).astype(np.int64) + np.rint(b / unit).astype(np.int64), unit


def layer(seed: int, inputs: int = 40, outputs: int = 25) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(64, inputs)) * 3
    w = random.normal(size=(inputs, outputs)) * 0.1
    b = random.normal(size=outputs)
    return x.astype(np.float32), w.astype(np.float32), b.astype(np.float32)


def test_a_scale_is_the_smallest_power_of_two_that_reaches():
    random = np.random.default_rng(0)
    largest = np.exp2(random.uniform(-60, 60, 2000)).astype(np.float32)
    edges = np.float32(127) * np.exp2(np.arange(-60, 60)).astype(np.float32)
    neighbours = [np.nextafter(edges, np.float32(to)) for to in (0, np.inf)]
    largest = np.concatenate([largest, edges, *neighbours])
    np.testing.assert_array_equal(scale_of(jnp.asarray(largest)), [*map(smallest_power, largest)])


def test_a_layer_that_has_met_nothing_but_zeros_has_the_scale_of_one():
    assert scale_of(jnp.float32(0)) == 2.0**-6 == smallest_power(1.0)


def test_a_quantity_that_is_forgotten_to_nothing_divides_by_no_zero():
    """An input that was 1 once and 0 ever since: its largest fades until it is no number at all."""

    def later(largest: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(
            0, 2_000, lambda _, x: largest_so_far(x, jnp.zeros((1, 2))), largest
        )

    x, w, b = jnp.array([[0.0, 3.0]]), jnp.ones((2, 4)), jnp.zeros(4)
    largest, fade = jnp.array([1e-30, 3.0]), jax.jit(later)
    layer = jax.jit(affine, static_argnums=0)
    scales = []
    while largest[0] > 0:
        largest = fade(largest).at[1].set(3.0)
        scales.append(scale_of(largest)[0])
        np.testing.assert_allclose(layer(FLOAT32.dense, x, w, b, largest), 3.0, rtol=0.02)
    assert min(scales) == 2.0**-126


@pytest.mark.parametrize("each", [False, True])
def test_a_layer_equals_integer_arithmetic_to_the_bit(each):
    x, w, b = layer(0)
    largest = np.abs(x[:32]).max(axis=0) if each else np.abs(x[:32]).max()
    sums, unit = layer_in_integers(x, w, b, np.broadcast_to(largest, x.shape[1:]))
    found = jax.jit(affine, static_argnums=0)(FLOAT32.dense, x, w, b, jnp.float32(largest))
    np.testing.assert_array_equal(np.asarray(found, np.float64), sums * unit)
    assert np.abs(np.asarray(found) - (x @ w + b)).max() > 1e-3  # so float32 would not pass


def test_no_order_of_summation_changes_a_bit():
    x, w, b = layer(1)
    largest = jnp.float32(np.abs(x).max())
    order = np.random.default_rng(2).permutation(x.shape[1])
    one = affine(FLOAT32.dense, x, w, b, largest)
    other = affine(FLOAT32.dense, x[:, order], w[order], b, largest)
    np.testing.assert_array_equal(one, other)
    assert (x @ w != x[:, order] @ w[order]).any()


def test_gradients_take_rounding_as_the_identity_and_stop_where_inputs_are_clipped():
    x, w, b = layer(3)
    largest = jnp.float32(np.abs(x).max() / 3)

    def loss(x, w, b):
        return (affine(FLOAT32.dense, x, w, b, largest) ** 2).sum() / 2

    found = jax.grad(loss, (0, 1, 2))(x, w, b)
    y = np.asarray(affine(FLOAT32.dense, x, w, b, largest), np.float64)
    s = smallest_power(float(largest))
    unit = smallest_power(np.abs(w * s).max())
    seen_x = np.rint(np.clip(x / s, -127, 127)) * s
    seen_w = np.rint(w * s / unit) * unit / s
    inside = np.abs(x) < 127 * s
    assert 0.01 < np.mean(~inside) < 0.5
    expected = (y @ seen_w.T * inside, seen_x.T @ y, y.sum(axis=0))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


def test_the_largest_input_is_remembered_and_slowly_forgotten():
    x = np.array([[1.0, -5.0], [2.0, 3.0]], np.float32)
    assert largest_so_far(jnp.float32(4), x) == 5
    np.testing.assert_allclose(largest_so_far(jnp.array([4.0, 9.0]), x), [4 * DECAY, 9 * DECAY])


CASES = {
    "mlp": (gaussian(5, 2, (16, 16)), np.float32, (5,)),
    "minatar": (q_values("minatar", (10, 10, 4), "bool", 3, (16,)), np.bool_, (10, 10, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_network_remembers_every_layers_input_and_only_where_it_may(case):
    network, dtype, shape = CASES[case]
    flax = FlaxNetwork(network, dot_products("integer"))
    observation = (np.random.default_rng(0).normal(size=(30, *shape)) * 2).astype(dtype)
    variables = flax.init(jax.random.key(0), observation)
    ranges = variables["ranges"]
    assert set(ranges) == set(variables["params"])  # of every layer, heads included
    assert all(not leaf.any() for leaf in jax.tree.leaves(ranges))
    first = next(iter(ranges))
    _, changed = flax.apply(variables, observation, mutable=["ranges"])
    after = changed["ranges"]
    expected = np.abs(observation.astype(np.float32)).max(axis=0)
    # Each quantity of a measured observation by itself, a picture as one.
    np.testing.assert_array_equal(
        after[first]["largest_input"], expected if case == "mlp" else expected.max()
    )
    assert all(np.ndim(after[name]["largest_input"]) == 0 for name in after if name != first)
    again = flax.apply({**variables, "ranges": after}, observation)
    assert isinstance(again, dict)  # and not a pair with changed collections


def test_a_policy_that_has_met_nothing_takes_the_inputs_at_hand():
    network, _, shape = CASES["mlp"]
    flax = FlaxNetwork(network, dot_products("integer"))
    observation = np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32)
    variables = flax.init(jax.random.key(0), observation)
    _, changed = flax.apply(variables, observation, mutable=["ranges"])
    fresh, met = (
        flax.apply(variables, observation),
        flax.apply({**variables, **changed}, observation),
    )
    np.testing.assert_array_equal(fresh["mean"], met["mean"])
