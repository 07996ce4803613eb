"""The interpreted torsos: sizes, names, initial values, and whole networks against plain XLA."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from jax import lax

from sparse_rl import architecture as data
from sparse_rl.networks import Critic, FlaxNetwork, GaussianActor, QNetwork, as_float32
from tests.example_networks import gaussian, q_values

SHAPES = {
    "mlp": ((17,), jnp.float32, (256, 256)),
    "minatar": ((10, 10, 4), jnp.bool_, (128,)),
    "nature": ((84, 84, 4), jnp.uint8, (512,)),
    "impala": ((84, 84, 4), jnp.uint8, (512,)),
}
PARAMETERS = {
    "mlp": 17 * 256 + 256 + 256 * 256 + 256,
    "minatar": 3 * 3 * 4 * 16 + 16 + 8 * 8 * 16 * 128 + 128,
    "nature": (8 * 8 * 4 * 32 + 32)
    + (4 * 4 * 32 * 64 + 64)
    + (3 * 3 * 64 * 64 + 64)
    + (3136 * 512 + 512),
    "impala": 1_995_168,
}
# Digests of all parameters by name for key 7, taken when every torso was a class of its own.
INITIAL = {
    "mlp": (GaussianActor(gaussian(17, 3, (32, 16))), "748a5a1b805e4a0a"),
    "minatar": (QNetwork(q_values("minatar", (10, 10, 4), "bool", 3, (24,))), "ab70e3e88c228ccc"),
    "nature": (QNetwork(q_values("nature", (36, 36, 4), "uint8", 3, (24,))), "1a008dca9d5d8839"),
    "impala": (QNetwork(q_values("impala", (30, 30, 4), "uint8", 3, (24,))), "7a9b9945a7f502a3"),
}


def named(name: str) -> FlaxNetwork:
    """A torso at its full size with five outputs."""
    shape, dtype, hidden = SHAPES[name]
    return FlaxNetwork(q_values(name, shape, jnp.dtype(dtype).name, 5, hidden))


def digest(params: dict) -> str:
    flat = flatten_dict(params, sep="/")
    whole = hashlib.sha256()
    for name in sorted(flat):
        whole.update(name.encode())
        whole.update(np.asarray(flat[name]).tobytes())
    return whole.hexdigest()[:16]


def observations(name: str, batch: int) -> jax.Array:
    shape, dtype, _ = SHAPES[name]
    values = np.random.default_rng(0).integers(0, 256, (batch, *shape))
    return jnp.asarray(values > 127 if dtype == jnp.bool_ else values, dtype)


@pytest.mark.parametrize("name", SHAPES)
def test_number_of_parameters(name):
    shape, dtype, hidden = SHAPES[name]
    params = jax.eval_shape(named(name).init, jax.random.key(0), jnp.zeros((1, *shape), dtype))
    head = hidden[-1] * 5 + 5
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name] + head


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("mlp", ["hidden_0", "hidden_1"]),
        ("minatar", ["convolution_0", "hidden_0"]),
        ("nature", ["convolution_0", "convolution_1", "convolution_2", "hidden_0"]),
        (
            "impala",
            ["hidden_0"]
            + [
                f"stack_{stack}/{layer}"
                for stack in range(3)
                for layer in (
                    "block_0/convolution_0",
                    "block_0/convolution_1",
                    "block_1/convolution_0",
                    "block_1/convolution_1",
                    "convolution",
                )
            ],
        ),
    ],
)
def test_layers_have_short_stable_names_and_only_kernels_and_biases(name, layers):
    shape, dtype, _ = SHAPES[name]
    params = jax.eval_shape(named(name).init, jax.random.key(0), jnp.zeros((1, *shape), dtype))
    flat = flatten_dict(params["params"], sep="/")
    expected = [*layers, "head"]
    assert set(flat) == {f"{layer}/{leaf}" for layer in expected for leaf in ("kernel", "bias")}
    # The data knows its layers and their shapes without Flax.
    assert {f"{one.path}/kernel": one.kernel_shape for one in data.layers(named(name).network)} == {
        path: leaf.shape for path, leaf in flat.items() if path.endswith("kernel")
    }


def convolve(images, layer, stride=1, padding="VALID"):
    out = lax.conv_general_dilated(
        images,
        layer["kernel"],
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return out + layer["bias"]


def dense(features, layer):
    flat = features.reshape(len(features), -1)
    return jax.nn.relu(flat @ layer["kernel"] + layer["bias"])


def head(features, params):
    return features @ params["head"]["kernel"] + params["head"]["bias"]


def plain_minatar(params, images):
    features = jax.nn.relu(convolve(images.astype(jnp.float32), params["convolution_0"]))
    return head(dense(features, params["hidden_0"]), params)


def plain_nature(params, images):
    features = images.astype(jnp.float32) / 255
    for index, stride in enumerate((4, 2, 1)):
        features = jax.nn.relu(convolve(features, params[f"convolution_{index}"], stride))
    return head(dense(features, params["hidden_0"]), params)


def plain_impala(params, images):
    features = images.astype(jnp.float32) / 255
    for index in range(3):
        stack = params[f"stack_{index}"]
        features = convolve(features, stack["convolution"])
        features = lax.reduce_window(
            features, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID"
        )
        for block in (stack["block_0"], stack["block_1"]):
            inside = convolve(jax.nn.relu(features), block["convolution_0"], padding="SAME")
            inside = convolve(jax.nn.relu(inside), block["convolution_1"], padding="SAME")
            features = features + inside
    assert features.shape[1:] == (7, 7, 64)
    return head(dense(jax.nn.relu(features), params["hidden_0"]), params)


@pytest.mark.parametrize(
    ("name", "plain"),
    [("minatar", plain_minatar), ("nature", plain_nature), ("impala", plain_impala)],
)
def test_outputs_of_a_population_equal_those_of_each_member_by_plain_xla(name, plain):
    network = QNetwork(named(name).network)
    images = jnp.stack([observations(name, 2), observations(name, 2)[::-1]])
    params = jax.jit(jax.vmap(network.init))(jax.random.split(jax.random.key(0), 2), images)
    together = jax.jit(jax.vmap(network.apply))(params, images)
    for member in range(2):
        alone = jax.tree.map(lambda x, m=member: x[m], params["params"])
        expected = jax.jit(plain)(alone, images[member])
        assert expected.std() > 0.01
        np.testing.assert_allclose(together[member], expected, atol=1e-5)


def test_an_mlp_takes_observations_of_any_shape():
    network = QNetwork(q_values("mlp", (10, 10, 4), "bool", 5, (8,)))
    planes = observations("minatar", 3)
    params = network.init(jax.random.key(0), planes)
    layer = params["params"]["hidden_0"]
    assert layer["kernel"].shape == (400, 8)
    expected = head(dense(planes, layer), params["params"])
    np.testing.assert_allclose(network.apply(params, planes), expected, atol=1e-6)


def test_every_operation_together_equals_its_formula_in_numpy():
    network = data.Network(
        data.Observation((6,)),
        (
            data.Normalize("normalize"),
            data.Dense("first", 5),
            data.LayerNorm("norm"),
            data.Tanh(),
            data.Residual("around", (data.Dense("inside", 5), data.Relu())),
        ),
        (data.Dense("mean", 2, data.Initializer("orthogonal", 0.01)), data.Dense("value", 1)),
    )
    flax = FlaxNetwork(network)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    variables = flax.init(jax.random.key(0), x)
    mean, variance = np.arange(6.0) / 5, np.arange(1.0, 7.0)
    variables["statistics"]["normalize"] = {"mean": mean, "variance": variance}
    params = jax.tree.map(np.asarray, variables["params"])

    def linear(x, layer):
        return x @ layer["kernel"] + layer["bias"]

    z = linear((x - mean) / np.sqrt(variance + 1e-8), params["first"])
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
    z = np.tanh(z * params["norm"]["scale"] + params["norm"]["bias"])
    z = z + np.maximum(linear(z, params["around"]["inside"]), 0)
    found = flax.apply(variables, x)
    assert list(found) == ["mean", "value"]
    for name in found:
        np.testing.assert_allclose(found[name], linear(z, params[name]), atol=1e-5)


def test_a_critic_normalizes_the_observation_and_not_the_action():
    operations = (data.Normalize("normalize"), *data.hidden_layers((4,)))
    critic = Critic(data.Observation((2,)), operations)
    seen, action = jnp.asarray([[6.0, 2.0]]), jnp.asarray([[0.5]])
    variables = critic.init(jax.random.key(0), seen, action)
    variables["statistics"]["normalize"] = {
        "mean": jnp.asarray([2.0, 2.0]),
        "variance": jnp.asarray([4.0, 1.0]),
    }
    plain = Critic(data.Observation((2,)), data.hidden_layers((4,)))
    expected = plain.apply({"params": variables["params"]}, jnp.asarray([[2.0, 0.0]]), action)
    np.testing.assert_allclose(critic.apply(variables, seen, action), expected, atol=1e-6)


def test_pixels_become_fractions_planes_zero_or_one_and_floats_stay():
    pixels = jnp.array([[0, 51, 255]], jnp.uint8)
    found = as_float32(pixels, data.Observation((3,), "uint8", 255.0))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, [[0.0, 0.2, 1.0]], rtol=1e-6)
    planes = as_float32(jnp.array([[True, False]]), data.Observation((2,), "bool"))
    assert planes.dtype == jnp.float32
    np.testing.assert_array_equal(planes, [[1.0, 0.0]])
    state = jnp.array([[-3.5, 300.0]])
    np.testing.assert_array_equal(as_float32(state, data.Observation((2,))), state)


def test_another_dtype_is_refused_by_name():
    with pytest.raises(ValueError, match="found int32, the network reads float32"):
        as_float32(jnp.zeros((1, 2), jnp.int32), data.Observation((2,)))


# Last, because from here on the file compiles as users do: values are compared to the bit.
@pytest.mark.usefixtures("compiled_as_usual")
@pytest.mark.parametrize("name", INITIAL)
def test_parameters_have_the_names_and_initial_values_they_always_had(name):
    network, expected = INITIAL[name]
    seen = network.network.observation
    blank = jnp.zeros((1, *seen.shape), seen.dtype)
    assert digest(jax.jit(network.init)(jax.random.key(7), blank)["params"]) == expected


@pytest.mark.usefixtures("compiled_as_usual")
def test_a_critic_s_parameters_too():
    critic = Critic(data.Observation((17,)), data.hidden_layers((32, 16)))
    params = jax.jit(critic.init)(jax.random.key(7), jnp.zeros((1, 17)), jnp.zeros((1, 3)))
    assert digest(params["params"]) == "33d4256a861a9398"
