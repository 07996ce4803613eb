"""Every format against the JAX network on 10,000 observations of real episodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.architecture import policy_network
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.artifact import reference
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.delivery import prepare, write
from sparse_rl.artifact.packed import Provenance
from sparse_rl.envs import make
from sparse_rl.networks import GaussianActor, QNetwork, arrays_of
from sparse_rl.playing.play import play
from sparse_rl.quantization.aqt import dot_products

pytest.importorskip("onnxruntime")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_compiler() is None, reason="no C compiler found"),
]
NUMBER = 10_000


def policy(environment, torso, hidden, quantization):
    """(network, parameters pruned to 90 %, graph) of an untrained policy."""
    dots = dot_products(quantization)
    spec = environment.spec
    described = policy_network(TorsoOptions(torso, hidden), spec)
    seen = described.observation
    discrete = isinstance(described.output, ArgMax)
    network = (QNetwork if discrete else GaussianActor)(described, dots)
    blank = jnp.zeros((1, *seen.shape), seen.dtype)
    variables = network.init(jax.random.key(3), blank)
    params = variables["params"]
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            3 * jnp.where(jnp.abs(leaf) > jnp.quantile(jnp.abs(leaf), 0.9), leaf, 0)
            if path[-1].key == "kernel"
            else leaf
        ),
        params,
    )
    variables = {**variables, "params": params}
    if quantization == "integer":
        met = 3 * jax.random.uniform(jax.random.key(4), (100, *seen.shape)) > 1
        met = met if discrete else 8 * met.astype(jnp.float32)
        _, seen_ranges = network.apply(variables, met, mutable=["ranges"])
        variables |= seen_ranges
    return network, variables, bind(described, arrays_of(variables), quantization)


@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "integer"])
@pytest.mark.parametrize(
    ("name", "torso", "hidden", "episodes"),
    [
        ("gymnax/Pendulum-v1", "mlp", (256, 256), 50),
        ("gymnax/Breakout-MinAtar", "minatar", (128,), 2000),
    ],
)
def test_all_formats_act_as_the_jax_network(tmp_path, name, torso, hidden, episodes, quantization):
    environment = make(name, evaluation=True)
    network, variables, graph = policy(environment, torso, hidden, quantization)
    played = play(lambda seen: reference.act(graph, seen), environment, episodes, 0, keep=NUMBER)
    observations = played.observations
    assert len(observations) == NUMBER
    result = network.apply(variables, jnp.asarray(observations))
    outputs = np.asarray(result if isinstance(graph.output, ArgMax) else result[0])
    expected = reference.action_of(graph, outputs)
    delivery = prepare(graph, Provenance(), observations)
    # `write` runs each file on all observations and gives the largest difference from the graph.
    differences = {
        form: write(delivery, form, tmp_path).difference for form in ("packed", "c", "onnx")
    }
    graphs = np.abs(reference.act(graph, observations) - expected)
    if quantization == "integer":
        np.testing.assert_array_equal(reference.outputs(graph, observations), outputs)
        assert differences["packed"] == 0
    if isinstance(graph.output, ArgMax):
        # Two actions with the same value within rounding are the one thing that may be exchanged.
        assert np.mean(graphs != 0) <= 1e-3
        assert max(differences.values()) <= 1e-3
    else:
        assert graphs.max() <= 1e-5
        assert max(differences.values()) <= 1e-5
