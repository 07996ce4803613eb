"""The bound graph against the network that JAX trains, quantized as in training; and back."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.architecture import ArgMax, Dense, Network, Observation, Squash, Tanh
from sparse_rl.artifact import graph as data
from sparse_rl.artifact import reference
from sparse_rl.artifact.binding import bind, float32_bytes, unbind
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.graph import Graph, layers
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.weights import Weights
from sparse_rl.networks import FlaxNetwork, GaussianActor, QNetwork, variables_of
from sparse_rl.quantization.aqt import dot_products
from tests.example_networks import gaussian, q_values

# torso: observation shape, dtype, divisor, frame stack, hidden sizes, number of observations
CASES = {
    "mlp": ((17,), "float32", 1.0, 1, (256, 256), 2000),
    "minatar": ((10, 10, 4), "bool", 1.0, 1, (128,), 300),
    "nature": ((36, 36, 4), "uint8", 255.0, 4, (64,), 100),
    "impala": ((30, 30, 4), "uint8", 255.0, 4, (32,), 30),
}


def trained_like(torso: str, quantization: str, sparsity: float = 0.9):
    """(network, parameters with pruned kernels, observations) of a case."""
    shape, dtype, _, _, hidden, number = CASES[torso]
    dots = dot_products(quantization)
    if torso == "mlp":
        network = GaussianActor(gaussian(*shape, 6, hidden), dots)
    else:
        network = QNetwork(q_values(torso, shape, dtype, 6, hidden), dots)
    random = np.random.default_rng(7)
    if dtype == "float32":
        observations = random.standard_normal((number, *shape)).astype(np.float32)
    elif dtype == "bool":
        observations = random.random((number, *shape)) < 0.1
    else:
        observations = random.integers(0, 256, (number, *shape)).astype(np.uint8)
    params = network.init(jax.random.key(1), jnp.asarray(observations[:1]))["params"]

    def prune(path, leaf):
        if path[-1].key != "kernel":
            return leaf
        threshold = jnp.quantile(jnp.abs(leaf), sparsity)
        # Survivors are scaled up, so that the outputs stay as large as a trained network's.
        return jnp.where(jnp.abs(leaf) > threshold, leaf, 0.0) * 3

    return network, jax.tree_util.tree_map_with_path(prune, params), observations


def bound(network, quantization: str, params):
    arrays = {k: np.asarray(v) for k, v in flax.traverse_util.flatten_dict(params, sep="/").items()}
    return bind(network.network, arrays, quantization)


def jax_outputs(torso, apply, params, observations):
    result = apply({"params": params}, jnp.asarray(observations))
    return np.asarray(result[0] if torso == "mlp" else result)


@pytest.mark.parametrize("quantization", ["float32", "int8w"])
@pytest.mark.parametrize("torso", CASES)
def test_float_outputs_are_those_of_the_jax_network(torso, quantization):
    network, params, observations = trained_like(torso, quantization)
    expected = jax_outputs(torso, jax.jit(network.apply), params, observations)
    found = reference.outputs(bound(network, quantization, params), observations)
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_what_no_window_meets_counts_in_a_dynamic_scale():
    """The first layer's windows end before the last of 37 rows."""
    size = 37
    network = QNetwork(q_values("nature", (size, size, 4), "uint8", 6, (16,)), dot_products("int8"))
    random = np.random.default_rng(3)
    observations = random.integers(0, 100, (40, size, size, 4)).astype(np.uint8)
    observations[:, -1] = 255
    params = network.init(jax.random.key(1), jnp.asarray(observations[:1]))["params"]
    actor = Actor(PackedActor(bound(network, "int8", params)), "numpy")
    found = reference.outputs(actor.graph, observations)
    expected = jax_outputs("nature", network.apply, params, observations)
    np.testing.assert_array_equal(found, expected)
    if find_compiler():
        in_c = Actor(PackedActor(actor.graph), "c")
        np.testing.assert_array_equal(in_c(observations), actor(observations))
    dark = observations.copy()
    dark[:, -1] = 0
    assert (reference.outputs(actor.graph, dark) != found).mean() > 0.9


@pytest.mark.parametrize("torso", CASES)
def test_int8_outputs_are_those_of_the_jax_network_to_the_bit(torso):
    network, params, observations = trained_like(torso, "int8")
    found = reference.outputs(bound(network, "int8", params), observations)
    one_by_one = jax_outputs(torso, network.apply, params, observations)
    np.testing.assert_array_equal(found, one_by_one)
    # A compiler may fuse a product and a sum, one unit in the last place apart. Where an activation
    # lies on a rounding edge this moves it by a whole step; everywhere else nothing is seen of it.
    fused = jax_outputs(torso, jax.jit(network.apply), params, observations)
    off = np.abs(found - fused).max(axis=1)
    assert np.mean(off > 1e-5) < 0.2
    assert off.max() < 0.1 * np.abs(fused).max()


def test_the_mean_head_alone_is_bound():
    network, params, _ = trained_like("mlp", "float32")
    assert "log_std" in params
    graph = bound(network, "float32", params)
    assert graph.output_shape == (6,)
    kernels = [op.weights.values.shape for op in graph.operations if hasattr(op, "weights")]
    assert kernels == [(17, 256), (256, 256), (256, 6)]


def test_the_size_of_a_trained_policy_counts_every_array():
    arrays = {"mean/kernel": np.zeros((3, 2), np.float32), "mean/bias": np.ones(2, np.float32)}
    assert float32_bytes(arrays) == 4 * (6 + 2)


def test_arrays_that_do_not_fit_the_network_are_refused():
    network = Network(Observation((3,)), (), (Dense("mean", 1),), Squash((-1.0,), (1.0,)))
    whole = {"mean/kernel": np.ones((3, 1), np.float32), "mean/bias": np.ones(1, np.float32)}
    assert bind(network, whole, "int8").output_shape == (1,)

    def refused(problem, **changes):
        named = {name.replace("__", "/"): array for name, array in changes.items()}
        with pytest.raises(ValueError, match=problem):
            bind(network, whole | named, "int8")

    with pytest.raises(ValueError, match="mean/kernel is missing"):
        bind(network, {}, "int8")
    refused("mean/kernel is int32; expected float32", mean__kernel=np.ones((3, 1), np.int32))
    refused("not finite", mean__kernel=np.full((3, 1), np.nan, np.float32))
    refused("not finite", mean__bias=np.full(1, np.inf, np.float32))
    refused("not 2 axes", mean__kernel=np.ones((3, 1, 1), np.float32))
    refused(r"dense \(4, 1\) after shape \(3,\)", mean__kernel=np.ones((4, 1), np.float32))
    refused("the network 1 features", mean__bias=np.ones(2, np.float32))
    with pytest.raises(ValueError, match="arithmetic 'int4'"):
        bind(network, whole, "int4")
    critic = Network(Observation((3,)), (), (Dense("mean", 1),))
    with pytest.raises(ValueError, match="no output"):
        bind(critic, whole, "int8")


@pytest.mark.parametrize("torso", CASES)
def test_an_unbound_graph_can_be_trained_again_and_is_the_same_function(torso):
    network, params, observations = trained_like(torso, "float32")
    graph = bound(network, "float32", params)
    again, arrays = unbind(graph)
    found = jax.jit(FlaxNetwork(again).apply)(variables_of(again, arrays), observations)
    (head,) = found
    assert head == ("mean" if torso == "mlp" else "head")
    np.testing.assert_allclose(
        found[head], reference.outputs(graph, observations), rtol=0, atol=2e-6
    )
    initial = jax.eval_shape(FlaxNetwork(again).init, jax.random.key(0), observations[:1])
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, variables_of(again, arrays))
    # Bound again it is the same graph, number by number.
    twice = bind(again, arrays, "float32")
    for one, other in zip(layers(graph.operations), layers(twice.operations), strict=True):
        np.testing.assert_array_equal(one.weights.values, other.weights.values)
        np.testing.assert_array_equal(one.bias, other.bias)


def test_int8_weights_come_back_as_the_numbers_that_they_stand_for():
    network, params, _ = trained_like("minatar", "int8")
    graph = bound(network, "int8", params)
    again, arrays = unbind(graph)
    twice = bind(again, arrays, "int8")
    for one, other in zip(layers(graph.operations), layers(twice.operations), strict=True):
        np.testing.assert_array_equal(one.weights.values, other.weights.values)


def test_a_graph_without_a_last_dense_layer_has_no_head():
    with pytest.raises(ValueError, match="no head"):
        unbind(Graph(Observation((3,)), (), ArgMax()))


def rescaled(*before):
    """A graph of a rescaled observation, and of the same one without."""
    exponents = np.array([1, -2, 3], np.int8)
    kernel = np.arange(6, dtype=np.float32).reshape(3, 2) - 2
    layer = data.Dense(Weights(kernel), np.ones(2, np.float32))
    return Graph(Observation((3,)), (data.Rescale(exponents), *before, layer), ArgMax())


def test_an_observation_that_is_rescaled_for_the_head_is_unbound():
    graph = rescaled()
    network, arrays = unbind(graph)
    assert network.operations == ()
    seen = np.array([[1.0, 2.0, -3.0], [0.5, 0.0, 4.0]], np.float32)
    expected = reference.outputs(graph, seen)
    np.testing.assert_array_equal(seen @ arrays["head/kernel"] + arrays["head/bias"], expected)


def test_what_is_rescaled_for_something_else_is_refused():
    norm = data.LayerNorm(np.ones(3, np.float32), np.zeros(3, np.float32), 1e-5)
    for before in ((norm,), (Tanh(),), (Tanh(), data.Rescale(np.zeros(3, np.int8)))):
        with pytest.raises(ValueError, match="rescaled for something else than a dense layer"):
            unbind(rescaled(*before))
