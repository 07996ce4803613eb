"""Heads against their formulas in NumPy, and the names their parameters have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from sparse_rl.architecture import (
    Convolution,
    Dense,
    Network,
    Observation,
    critic_torso,
    hidden_layers,
)
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.networks import Critic, FlaxNetwork, GaussianActor
from tests.example_networks import gaussian


def relu_layers(params, x, *names):
    for name in names:
        x = np.maximum(x @ np.asarray(params[name]["kernel"]) + np.asarray(params[name]["bias"]), 0)
    return x


def linear(params, x, name):
    return x @ np.asarray(params[name]["kernel"]) + np.asarray(params[name]["bias"])


def test_gaussian_actor():
    actor = GaussianActor(gaussian(4, 3, (8, 9)))
    observation = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    params = actor.init(jax.random.key(0), observation)["params"]
    assert set(flatten_dict(params, sep="/")) == {
        f"{layer}/{leaf}"
        for layer in ("hidden_0", "hidden_1", "mean", "log_std")
        for leaf in ("kernel", "bias")
    }
    mean, log_std = actor.apply({"params": params}, observation)
    features = relu_layers(params, observation, "hidden_0", "hidden_1")
    np.testing.assert_allclose(mean, linear(params, features, "mean"), atol=1e-6)
    np.testing.assert_allclose(log_std, linear(params, features, "log_std"), atol=1e-6)


@pytest.mark.parametrize(("raw", "expected"), [(-50.0, -20.0), (-3.0, -3.0), (7.0, 2.0)])
def test_log_standard_deviation_is_clamped(raw, expected):
    actor = GaussianActor(gaussian(4, 2, (8,)))
    observation = jnp.ones((1, 4))
    params = actor.init(jax.random.key(0), observation)["params"]
    params["log_std"] = {"kernel": jnp.zeros((8, 2)), "bias": jnp.full((2,), raw)}
    _, log_std = actor.apply({"params": params}, observation)
    np.testing.assert_array_equal(log_std, jnp.full((1, 2), expected))


@pytest.mark.parametrize("torso", ["minatar", "nature"])
def test_a_critic_of_images_convolves_them_before_the_action_joins(torso):
    """The features are those of the convolutions alone, as another network gives them."""
    options = TorsoOptions(torso, hidden=(6,))
    seen = Observation((36, 36, 2), "uint8", 255.0)
    layers = critic_torso(options, seen, layer_norm=True)
    critic, random = Critic(seen, layers), np.random.default_rng(0)
    image = random.integers(0, 256, (3, 36, 36, 2)).astype(np.uint8)
    action = random.normal(size=(3, 2)).astype(np.float32)
    params = critic.init(jax.random.key(0), image, action)["params"]
    convolutions = layers[: layers.index(next(x for x in layers if isinstance(x, Dense)))]
    assert isinstance(convolutions[0], Convolution)
    identity = np.eye(params["hidden_0"]["kernel"].shape[0] - 2, dtype=np.float32)
    alone = FlaxNetwork(Network(seen, convolutions, (Dense("out", len(identity)),)))
    own = {name: params[name] for name in params if name.startswith("convolution")}
    out = {"out": {"kernel": identity, "bias": np.zeros(len(identity))}}
    features = alone.apply({"params": {**own, **out}}, image)["out"]
    dense = Critic(Observation((len(identity),)), layers[len(convolutions) :])
    rest = {name: params[name] for name in params if name not in own}
    np.testing.assert_allclose(
        critic.apply({"params": params}, image, action),
        dense.apply({"params": rest}, features, action),
        atol=1e-5,
    )


def test_critic_reads_observation_then_action():
    critic = Critic(Observation((4,)), hidden_layers((8,)))
    random = np.random.default_rng(0)
    observation = random.normal(size=(5, 4)).astype(np.float32)
    action = random.normal(size=(5, 3)).astype(np.float32)
    params = critic.init(jax.random.key(0), observation, action)["params"]
    features = relu_layers(params, np.concatenate([observation, action], 1), "hidden_0")
    value = critic.apply({"params": params}, observation, action)
    assert value.shape == (5,)
    np.testing.assert_allclose(value, linear(params, features, "head")[:, 0], atol=1e-6)
