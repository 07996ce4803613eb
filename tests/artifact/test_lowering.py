"""The lowered graph against the network that JAX trains, quantised as in training."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.artifact import reference
from sparse_rl.artifact.graph import ArgMax, Observation, Squash
from sparse_rl.artifact.lowering import float32_bytes, lower
from sparse_rl.networks import GaussianActor, QNetwork
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


def lowered(torso: str, quantization: str, params):
    shape, dtype, divisor, stack, _, _ = CASES[torso]
    arrays = {k: np.asarray(v) for k, v in flax.traverse_util.flatten_dict(params, sep="/").items()}
    output = Squash((-1.0,) * 6, (1.0,) * 6) if torso == "mlp" else ArgMax()
    return lower(arrays, torso, quantization, Observation(shape, dtype, divisor, stack), output)


def jax_outputs(torso, apply, params, observations):
    result = apply({"params": params}, jnp.asarray(observations))
    return np.asarray(result[0] if torso == "mlp" else result)


@pytest.mark.parametrize("quantization", ["float32", "int8w"])
@pytest.mark.parametrize("torso", CASES)
def test_float_outputs_are_those_of_the_jax_network(torso, quantization):
    network, params, observations = trained_like(torso, quantization)
    expected = jax_outputs(torso, jax.jit(network.apply), params, observations)
    found = reference.outputs(lowered(torso, quantization, params), observations)
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("torso", CASES)
def test_int8_outputs_are_those_of_the_jax_network_to_the_bit(torso):
    network, params, observations = trained_like(torso, "int8")
    found = reference.outputs(lowered(torso, "int8", params), observations)
    one_by_one = jax_outputs(torso, network.apply, params, observations)
    np.testing.assert_array_equal(found, one_by_one)
    # A compiler may fuse a product and a sum, one unit in the last place apart. Where an activation
    # lies on a rounding edge this moves it by a whole step; everywhere else nothing is seen of it.
    fused = jax_outputs(torso, jax.jit(network.apply), params, observations)
    off = np.abs(found - fused).max(axis=1)
    assert np.mean(off > 1e-5) < 0.2
    assert off.max() < 0.1 * np.abs(fused).max()


def test_the_mean_head_alone_is_lowered():
    _, params, _ = trained_like("mlp", "float32")
    assert "log_std" in params
    graph = lowered("mlp", "float32", params)
    assert graph.output_shape == (6,)
    kernels = [op.weights.values.shape for op in graph.operations if hasattr(op, "weights")]
    assert kernels == [(17, 256), (256, 256), (256, 6)]


def test_the_size_of_a_trained_policy_counts_every_array():
    arrays = {"mean/kernel": np.zeros((3, 2), np.float32), "mean/bias": np.ones(2, np.float32)}
    assert float32_bytes(arrays) == 4 * (6 + 2)


def test_errors_name_what_is_missing():
    observation = Observation((3,))
    with pytest.raises(ValueError, match="mean/kernel is missing"):
        lower({}, "mlp", "int8", observation, Squash((-1.0,), (1.0,)))
    with pytest.raises(ValueError, match="torso 'transformer'"):
        lower({}, "transformer", "int8", observation, ArgMax())
