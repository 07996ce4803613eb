"""Every format against JAX on random networks with every operation, extremes included."""

import ctypes

import jax
import numpy as np
import pytest

from benchmarks.synthetic import random_arrays, random_observations, with_static_scales
from sparse_rl.architecture import (
    ArgMax,
    Clip,
    Convolution,
    Dense,
    Flatten,
    LayerNorm,
    MaxPool,
    Network,
    Normalize,
    Observation,
    Relu,
    Residual,
    Squash,
    Tanh,
)
from sparse_rl.arithmetics import ARITHMETICS
from sparse_rl.artifact import packed, reference
from sparse_rl.artifact.binding import bind, unbind
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import compile_shared, find_compiler
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.networks import FlaxNetwork, variables_of
from sparse_rl.quantization import dot_products

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
BOUNDS = (-2.0, -1.0), (1.0, 3.0)
ROUNDS = ("int8", "integer")
"""Where inputs of layers are rounded."""

NETWORKS = {
    # Stable-Baselines3's on-policy actor with a normalized observation
    "tanh": Network(
        Observation((7,)),
        (Normalize("normalize"), Dense("a", 12), Tanh(), Dense("b", 9), Tanh()),
        (Dense("mean", 2), Dense("value", 1)),
        Clip(*BOUNDS),
    ),
    "layer norm": Network(
        Observation((6,)),
        (
            Dense("a", 10),
            LayerNorm("norm_a"),
            Relu(),
            Residual("around", (LayerNorm("norm"), Dense("b", 10), Tanh())),
            LayerNorm("norm_b", 1e-3),
        ),
        (Dense("mean", 2),),
        Squash(*BOUNDS),
    ),
    # Planes are flattened where they lie in C: everything behind Flatten must know.
    "image": Network(
        Observation((7, 6, 3), "uint8", 255.0, 3),
        (
            Normalize("normalize", 1e-4, 3.0),
            Convolution("c", 5, (3, 2), (2, 1), "SAME"),
            LayerNorm("norm"),
            Tanh(),
            MaxPool((2, 3), (1, 2), "SAME"),
            Flatten(),
            Tanh(),
            LayerNorm("flat"),
            Relu(),
        ),
        (Dense("head", 4),),
        ArgMax(),
    ),
    "flat residual": Network(
        Observation((4, 3, 2), "bool"),
        (
            Convolution("c", 3, (2, 2)),
            Flatten(),
            Relu(),
            Residual("around", (Relu(), Dense("inside", 18), Tanh())),
            Normalize("late"),
        ),
        (Dense("head", 3),),
        ArgMax(),
    ),
    "two axes": Network(
        Observation((4, 5)),
        (LayerNorm("rows"), Flatten(), Dense("a", 6), Tanh()),
        (Dense("mean", 1),),
        Clip((-1.0,), (1.0,)),
    ),
}


def arrays_of(network, sparsity=0.5, seed=0):
    """Random kernels, biases, scales and statistics under their names."""
    arrays = random_arrays(network, sparsity, seed)
    random = np.random.default_rng(seed)
    variables = jax.eval_shape(
        FlaxNetwork(network, dot_products("integer")).init,
        jax.random.key(0),
        np.zeros((1, *network.observation.shape), network.observation.dtype),
    )
    for collection in variables.values():
        for path, leaf in jax.tree_util.tree_leaves_with_path(collection):
            name = "/".join(str(key.key) for key in path)
            if name not in arrays:
                positive = name.endswith(("variance", "largest_input"))
                drawn = (
                    random.gamma(2.0, 0.5, leaf.shape)
                    if positive
                    else random.normal(0.3, 0.5, leaf.shape)
                )
                arrays[name] = drawn.astype(np.float32)
    return arrays


def observations_of(graph, number=60):
    """Random ones, and extremes: zeros, the largest values, far outside what is normal."""
    found = random_observations(graph, number, 3)
    found[0] = 0
    if graph.observation.dtype == "float32":
        found[1], found[2], found[3, ...] = 1e4, -1e4, 1e-30
    else:
        found[1] = 255 if graph.observation.dtype == "uint8" else True
    return found


def in_jax(network, arrays, arithmetic, observations):
    flax = FlaxNetwork(network, dot_products(arithmetic))
    outputs = flax.apply(variables_of(network, arrays), observations)
    return np.asarray(outputs[network.heads[0].name])


def close(found, expected, tolerance=3e-6):
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def in_c(program, observations, width, folder):
    generate(program, HOST).write(folder)
    library = ctypes.CDLL(str(compile_shared(folder, folder / "actor.so")))
    outputs = np.empty((len(observations), width), np.float32)
    for one, target in zip(np.ascontiguousarray(observations), outputs, strict=True):
        code = library.srl_outputs(ctypes.c_void_p(one.ctypes.data), ctypes.c_void_p(
            target.ctypes.data
        ))  # fmt: skip
        assert code == 0
    return outputs


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_computes_what_jax_computes(name, arithmetic):
    network = NETWORKS[name]
    arrays = arrays_of(network)
    graph = bind(network, arrays, arithmetic)
    observations = observations_of(graph)
    expected = in_jax(network, arrays, arithmetic, observations)
    assert expected.std(axis=0).min() > 1e-3
    found = reference.outputs(graph, observations)
    if arithmetic not in ROUNDS:
        close(found, expected)
    else:
        # Two ways to a tanh or a mean are an ulp apart; at a rounding edge that is one step of 127.
        off = np.abs(found - expected).max(axis=1)
        assert np.mean(off > 1e-5) < 0.1
        assert off.max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_only_layers_are_quantized(name):
    network = NETWORKS[name]
    arrays = arrays_of(network)
    graph = bind(network, arrays, "int8")
    assert all(layer.weights.values.dtype == np.int8 for layer in layers(graph.operations))
    _, again = unbind(graph)
    trained = ("kernel", "bias", "largest_input")
    floats = [value for key, value in arrays.items() if not key.endswith(trained)]
    kept = [value for key, value in again.items() if not key.endswith(("kernel", "bias"))]
    assert len(floats) == len(kept) > 0
    for array in floats:
        assert any(np.array_equal(array, other) for other in kept)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", NETWORKS)
def test_unbinding_gives_a_network_that_jax_runs_alike(name, arithmetic):
    network = NETWORKS[name]
    graph = bind(network, arrays_of(network), arithmetic)
    observations = observations_of(graph)
    again, arrays = unbind(graph)
    found = in_jax(again, arrays, "float32", observations)
    float_graph = bind(again, arrays, "float32")
    close(found, reference.outputs(float_graph, observations))
    if arithmetic not in ROUNDS:
        close(found, reference.outputs(graph, observations), 1e-5)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_packed_file_holds_the_same_function(name, arithmetic):
    network = NETWORKS[name]
    graph = bind(network, arrays_of(network), arithmetic)
    data = packed.to_bytes(PackedActor(graph))
    assert data[3] == (3 if arithmetic == "integer" else 2)  # what version 1 could not say
    read = packed.from_bytes(data).graph
    observations = observations_of(graph)
    np.testing.assert_array_equal(
        reference.outputs(read, observations), reference.outputs(graph, observations)
    )
    assert read.output == graph.output
    assert packed.to_bytes(PackedActor(read)) == data


def test_a_graph_that_version_1_can_say_is_written_as_version_1():
    plain = Network(Observation((3,)), (Dense("a", 4), Relu()), (Dense("mean", 1),), Squash(
        (-1.0,), (1.0,)
    ))  # fmt: skip
    data = packed.to_bytes(PackedActor(bind(plain, random_arrays(plain, 0.5), "int8")))
    assert data[3] == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_damage_in_a_file_of_version_2_is_an_error_or_a_whole_actor(name):
    import zlib

    network = NETWORKS[name]
    data = packed.to_bytes(PackedActor(bind(network, arrays_of(network), "int8")))
    random = np.random.default_rng(1)
    for _ in range(300):
        body = bytearray(data[8:])
        body[int(random.integers(len(body)))] ^= int(random.integers(1, 256))
        whole = b"SRL\x02" + zlib.crc32(body).to_bytes(4, "little") + bytes(body)
        try:
            actor = packed.from_bytes(whole)
        except packed.ArtifactError as error:
            assert "\n" not in str(error)
            continue
        with np.errstate(all="ignore"):
            reference.outputs(actor.graph, random_observations(actor.graph, 1))


@needs_compiler
@pytest.mark.parametrize("arithmetic", ["float32", "int8", "integer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_c_computes_the_same(tmp_path, name, arithmetic):
    network = NETWORKS[name]
    graph = bind(network, arrays_of(network), arithmetic)
    observations = observations_of(graph)
    expected = reference.outputs(graph, observations)
    found = in_c(graph, observations, expected.shape[1], tmp_path)
    if arithmetic == "float32":
        close(found, expected)
    else:
        off = np.abs(found - expected).max(axis=1)
        assert np.mean(off > 1e-5) < 0.1
        assert off.max() < 0.05 * np.abs(expected).max()


@needs_compiler
@pytest.mark.parametrize("name", NETWORKS)
def test_c_for_a_microcontroller_computes_the_same_without_warnings(tmp_path, name):
    from sparse_rl.artifact.compiler import compile_c

    network = NETWORKS[name]
    graph = bind(network, arrays_of(network), "float32")
    generate(graph, MICROCONTROLLER).write(tmp_path)
    strict = ("-Wall", "-Wextra", "-Wshadow", "-Wdouble-promotion", "-pedantic", "-Werror")
    sources = [tmp_path / "srl_actor.c"]
    built = compile_c(tmp_path / "actor.so", sources, *strict, "-shared", "-fPIC")
    library = ctypes.CDLL(str(built))
    observations = observations_of(graph)
    expected = reference.act(graph, observations)
    for one, action in zip(np.ascontiguousarray(observations), expected, strict=True):
        found = np.empty(np.shape(action), np.float32 if expected.ndim > 1 else np.int32)
        library.srl_act(ctypes.c_void_p(one.ctypes.data), ctypes.c_void_p(found.ctypes.data))
        np.testing.assert_allclose(found, action, atol=1e-5)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_computes_the_same(name, arithmetic):
    onnxruntime = pytest.importorskip("onnxruntime")
    from sparse_rl.artifact.onnx.model import to_onnx

    network = NETWORKS[name]
    graph = bind(network, arrays_of(network), arithmetic)
    observations = observations_of(graph)
    session = onnxruntime.InferenceSession(
        to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"observation": observations})[0]
    expected = reference.act(graph, observations)
    if expected.ndim == 1:
        assert np.mean(found != expected) < 0.05
    else:
        off = np.abs(found - expected).max(axis=1)
        assert np.mean(off > 1e-5) < 0.1 if arithmetic in ROUNDS else off.max() < 1e-5


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", NETWORKS)
def test_compaction_leaves_the_function_as_it_is(name, arithmetic):
    network = NETWORKS[name]
    graph = bind(network, arrays_of(network, sparsity=0.9), arithmetic)
    observations = observations_of(graph)
    close(
        reference.outputs(compact(graph), observations),
        reference.outputs(graph, observations),
        1e-5,
    )


def test_units_behind_a_tanh_go_with_their_value_and_none_that_a_layer_norm_reads():
    kernel = np.zeros((3, 4), np.float32)
    kernel[:, 0] = 1
    arrays = {
        "a/kernel": kernel,
        "a/bias": np.array([0.0, 0.5, -2.0, 0.0], np.float32),
        "mean/kernel": np.ones((4, 1), np.float32),
        "mean/bias": np.zeros(1, np.float32),
        "norm/scale": np.ones(4, np.float32),
        "norm/bias": np.zeros(4, np.float32),
    }

    def units(*between):
        head, output = Dense("mean", 1), Squash((-1.0,), (1.0,))
        network = Network(Observation((3,)), (Dense("a", 4), *between), (head,), output)
        first, last = layers(compact(bind(network, arrays, "float32")).operations)
        return len(first.bias), float(last.bias[0])

    left, bias = units(Tanh())
    assert left == 1
    assert bias == pytest.approx(np.tanh(0.5) + np.tanh(-2.0))
    assert units(LayerNorm("norm")) == (4, 0.0)


@pytest.mark.parametrize(
    ("observation", "limit", "folds"),
    [
        (Observation((3,)), np.inf, True),
        (Observation((3,)), 10.0, False),  # an observation far away would no longer be clipped
        (Observation((3,), "uint8", 255.0), 10.0, True),
        (Observation((3,), "uint8"), 10.0, False),
    ],
)
def test_normalization_is_folded_where_its_clip_cannot_act(observation, limit, folds):
    steps = (Normalize("normalize", 1e-8, limit), Dense("a", 4), Tanh())
    head, output = Dense("mean", 1), Squash((-1.0,), (1.0,))
    network = Network(observation, steps, (head,), output)
    graph = bind(network, arrays_of(network), "float32")
    smaller = compact(graph)
    assert (len(smaller.operations) < len(graph.operations)) == folds
    seen = random_observations(graph, 40)
    close(reference.outputs(smaller, seen), reference.outputs(graph, seen), 1e-5)
    kept = compact(bind(network, arrays_of(network), "int8"))
    assert len(kept.operations) == len(graph.operations)


NORMALIZED = {
    "float32": Network(
        Observation((6,)),
        (Normalize("normalize"), Dense("a", 12), Relu()),
        (Dense("mean", 2),),
        Clip(*BOUNDS),
    ),
    "uint8": Network(
        Observation((6, 5, 2), "uint8", 255.0),
        (Normalize("normalize"), Convolution("c", 4, (3, 3)), Relu(), Flatten()),
        (Dense("head", 3),),
        ArgMax(),
    ),
}


@needs_compiler
@pytest.mark.parametrize("name", NORMALIZED)
def test_fixed_scales_round_what_is_normalized(tmp_path, name):
    network = NORMALIZED[name]
    graph = bind(network, arrays_of(network), "int8")
    observations = observations_of(graph, 200)
    static = with_static_scales(graph, observations)
    expected = reference.outputs(static, observations)
    np.testing.assert_array_equal(in_c(static, observations, expected.shape[1], tmp_path), expected)
