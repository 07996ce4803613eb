"""The arithmetic `integer`: the same bits in compiled JAX, NumPy, C and the packed file."""

import ctypes

import jax
import numpy as np
import pytest

from benchmarks.synthetic import random_arrays, random_observations
from sparse_rl.artifact import packed, reference
from sparse_rl.artifact.binding import bind, float32_bytes
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import compile_shared, find_compiler
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Rescale, layers
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.weights import StaticScale
from sparse_rl.networks import FlaxNetwork, arrays_of, variables_of
from sparse_rl.quantization import dot_products
from tests.example_networks import gaussian, q_values

NETWORKS = {
    "mlp": gaussian(17, 6, (64, 64)),
    "minatar": q_values("minatar", (10, 10, 4), "bool", 6, (32,)),
    "nature": q_values("nature", (36, 36, 4), "uint8", 6, (16,)),
    "impala": q_values("impala", (30, 30, 4), "uint8", 6, (16,)),
}


def actor(name, sparsity=0.9):
    """(network, arrays with the ranges of some observations, other observations)."""
    network = NETWORKS[name]
    arrays = random_arrays(network, sparsity)
    flax = FlaxNetwork(network, dot_products("integer"))
    graph = bind(network, arrays, "float32")
    seen, others = np.split(random_observations(graph, 80), 2)
    variables = flax.init(jax.random.key(0), seen) | variables_of(network, arrays)
    _, changed = flax.apply(variables, seen, mutable=["ranges"])
    variables = {**variables, **changed}
    return network, {k: np.asarray(v) for k, v in arrays_of(variables).items()}, others


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_and_compiled_jax_agree_to_the_bit(name):
    network, arrays, observations = actor(name)
    graph = bind(network, arrays, "integer")
    flax = FlaxNetwork(network, dot_products("integer"))
    expected = jax.jit(flax.apply)(variables_of(network, arrays), observations)
    expected = np.asarray(expected[network.heads[0].name])
    found = reference.outputs(graph, observations)
    assert expected.std(axis=0).max() > 1e-3
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(reference.outputs(compact(graph), observations), expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_sums_and_biases_are_whole_units(name):
    network, arrays, _ = actor(name)
    graph = compact(bind(network, arrays, "integer"))
    for layer in layers(graph.operations):
        unit = unit_of(layer)
        assert unit is not None
        assert isinstance(layer.input_scale, StaticScale)
        assert np.log2(unit).is_integer() and np.log2(layer.input_scale.scale).is_integer()
        assert (layer.bias / unit == np.rint(layer.bias / unit)).all()
    rescaled = [step for step in graph.operations if isinstance(step, Rescale)]
    assert len(rescaled) == (name == "mlp")


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
@pytest.mark.parametrize("target", [HOST, MICROCONTROLLER], ids=lambda target: target.name)
@pytest.mark.parametrize("sparsity", [0.0, 0.9, 0.98])
@pytest.mark.parametrize("name", NETWORKS)
def test_c_agrees_to_the_bit(tmp_path, name, sparsity, target):
    if name == "impala" and sparsity != 0.9:
        pytest.skip("takes long, and has the layers of the others")
    network, arrays, observations = actor(name, sparsity)
    graph = compact(bind(network, arrays, "integer"))
    generate(graph, target).write(tmp_path)
    library = ctypes.CDLL(str(compile_shared(tmp_path, tmp_path / "actor.so")))
    expected = reference.outputs(graph, observations)
    found = np.empty_like(expected)
    for one, outputs in zip(np.ascontiguousarray(observations), found, strict=True):
        where = (ctypes.c_void_p(array.ctypes.data) for array in (one, outputs))
        assert library.srl_outputs(*where) == 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_agrees_to_the_bit_before_tanh(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    from sparse_rl.artifact.onnx.model import to_onnx

    network, arrays, observations = actor(name)
    graph = compact(bind(network, arrays, "integer"))
    session = onnxruntime.InferenceSession(
        to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"observation": observations})[0]
    expected = reference.act(graph, observations)
    if name == "mlp":  # two ways to a tanh
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, expected)


def test_onnx_has_three_nodes_for_a_layer_and_says_where_it_is_from():
    pytest.importorskip("onnx")
    from sparse_rl.artifact.onnx.model import to_onnx

    network, arrays, _ = actor("mlp")
    about = Provenance("mujoco/Walker2d-v4", "0.9-integer", 3, "abc", 1234.5)
    model = to_onnx(compact(bind(network, arrays, "integer")), about)
    # Beside weights, which runtimes make once: reading, two hidden layers, the head, the action.
    kinds = [node.op_type for node in model.graph.node if node.op_type != "Cast"]
    assert kinds.count("Gemm") == 3 and kinds.count("Round") == kinds.count("Clip") == 1 + 2
    assert kinds.count("Tanh") == 1 and "Relu" not in kinds
    known = {one.key: one.value for one in model.metadata_props}
    assert known["environment"] == "mujoco/Walker2d-v4" and known["variant"] == "0.9-integer"
    assert (known["seed"], known["measured_return"]) == ("3", "1234.5")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_packed_file_holds_the_same_bits_in_fewer_bytes(name):
    network, arrays, observations = actor(name, 0.95)
    graph = compact(bind(network, arrays, "integer"))
    data = packed.to_bytes(PackedActor(graph))
    assert data[3] == 3
    again = packed.from_bytes(data).graph
    np.testing.assert_array_equal(
        reference.outputs(again, observations), reference.outputs(graph, observations)
    )
    for one, other in zip(layers(graph.operations), layers(again.operations), strict=True):
        np.testing.assert_array_equal(one.bias, other.bias)
        assert one.input_scale == other.input_scale
    in_floats = packed.to_bytes(PackedActor(compact(bind(network, arrays, "float32"))))
    with_dynamic = packed.to_bytes(PackedActor(compact(bind(network, arrays, "int8"))))
    assert 1.3 * len(data) < len(in_floats) and len(data) < len(with_dynamic)


def test_ranges_are_no_weights():
    _, arrays, _ = actor("mlp")
    without = {name: array for name, array in arrays.items() if "largest_input" not in name}
    assert len(without) < len(arrays)
    assert float32_bytes(arrays) == float32_bytes(without)


def test_a_policy_without_ranges_or_with_wrong_ones_is_refused():
    network, arrays, _ = actor("mlp")
    without = {name: array for name, array in arrays.items() if "largest_input" not in name}
    with pytest.raises(ValueError, match="hidden_0/largest_input is missing"):
        bind(network, without, "integer")
    wrong = arrays | {"hidden_0/largest_input": np.ones(3, np.float32)}
    with pytest.raises(ValueError, match=r"hidden_0/largest_input has the shape \(3,\)"):
        bind(network, wrong, "integer")
