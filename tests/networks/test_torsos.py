"""Torsos: their sizes, their layers' names, and whole networks against plain XLA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from jax import lax

from sparse_rl.networks import ImpalaResNet, MinAtarCNN, NatureCNN, make_torso

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


def observations(name: str, batch: int) -> jax.Array:
    shape, dtype, _ = SHAPES[name]
    values = np.random.default_rng(0).integers(0, 256, (batch, *shape))
    return jnp.asarray(values > 127 if dtype == jnp.bool_ else values, dtype)


@pytest.mark.parametrize("name", SHAPES)
def test_number_of_parameters(name):
    shape, dtype, hidden = SHAPES[name]
    torso = make_torso(name, hidden)
    params = jax.eval_shape(torso.init, jax.random.key(0), jnp.zeros((1, *shape), dtype))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name]


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
    shape, dtype, hidden = SHAPES[name]
    torso = make_torso(name, hidden)
    params = jax.eval_shape(torso.init, jax.random.key(0), jnp.zeros((1, *shape), dtype))
    found = set(flatten_dict(params["params"], sep="/"))
    assert found == {f"{layer}/{leaf}" for layer in layers for leaf in ("kernel", "bias")}


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


def plain_minatar(params, images):
    features = jax.nn.relu(convolve(images.astype(jnp.float32), params["convolution_0"]))
    return dense(features, params["hidden_0"])


def plain_nature(params, images):
    features = images.astype(jnp.float32) / 255
    for index, stride in enumerate((4, 2, 1)):
        features = jax.nn.relu(convolve(features, params[f"convolution_{index}"], stride))
    return dense(features, params["hidden_0"])


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
    return dense(jax.nn.relu(features), params["hidden_0"])


@pytest.mark.parametrize(
    ("name", "torso", "plain"),
    [
        ("minatar", MinAtarCNN(), plain_minatar),
        ("nature", NatureCNN(), plain_nature),
        ("impala", ImpalaResNet(), plain_impala),
    ],
)
def test_features_of_a_population_equal_those_of_each_member_by_plain_xla(name, torso, plain):
    images = jnp.stack([observations(name, 2), observations(name, 2)[::-1]])
    params = jax.jit(jax.vmap(torso.init))(jax.random.split(jax.random.key(0), 2), images)
    together = jax.jit(jax.vmap(torso.apply))(params, images)
    for member in range(2):
        alone = jax.tree.map(lambda x, m=member: x[m], params["params"])
        expected = jax.jit(plain)(alone, images[member])
        assert expected.std() > 0.01
        np.testing.assert_allclose(together[member], expected, atol=1e-5)


def test_an_mlp_takes_observations_of_any_shape():
    torso = make_torso("mlp", (8,))
    planes = observations("minatar", 3)
    params = torso.init(jax.random.key(0), planes)
    layer = params["params"]["hidden_0"]
    assert layer["kernel"].shape == (400, 8)
    np.testing.assert_allclose(torso.apply(params, planes), dense(planes, layer), atol=1e-6)


def test_an_unknown_torso_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"found 'vit', allowed are mlp, minatar, nature, impala"):
        make_torso("vit", (8,))
