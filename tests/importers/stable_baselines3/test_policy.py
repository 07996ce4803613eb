"""Zip files of the real library, against the actions of its own `predict`."""

import base64
import json
import zipfile

import numpy as np
import pytest

from sparse_rl.architecture.operations import ArgMax, Clip, Normalize, Observation, Squash
from sparse_rl.artifact import graph as bound
from sparse_rl.artifact.binding import bind, unbind
from sparse_rl.artifact.packed import PackedActor, from_bytes, to_bytes
from sparse_rl.artifact.runtime import Actor
from sparse_rl.importers import read_policy
from tests.importers.stored import DATA, check_actions, stored

KINDS = {
    "sac": ("SAC, SACPolicy", Squash),
    "sac_tanh": ("SAC, SACPolicy", Squash),
    "sac_gsde": ("SAC, SACPolicy", Squash),
    "td3": ("TD3, TD3Policy", Squash),
    "ddpg": ("DDPG, TD3Policy", Squash),
    "ppo": ("PPO, ActorCriticPolicy", Clip),
    "ppo_relu": ("PPO, ActorCriticPolicy", Clip),
    "ppo_gsde": ("PPO, ActorCriticPolicy", Clip),
    "ppo_squashed": ("PPO, ActorCriticPolicy", Squash),
    "ppo_split": ("PPO, ActorCriticPolicy", ArgMax),
    "ppo_linear": ("PPO, ActorCriticPolicy", ArgMax),
    "ppo_normalized": ("PPO, ActorCriticPolicy, VecNormalize", ArgMax),
    "ppo_bytes": ("PPO, ActorCriticPolicy", ArgMax),
    "ppo_matrix": ("PPO, ActorCriticPolicy", ArgMax),
    "a2c_normalized": ("A2C, ActorCriticPolicy, VecNormalize", ArgMax),
    "a2c": ("A2C, ActorCriticPolicy", ArgMax),
    "trpo": ("TRPO, ActorCriticPolicy", Clip),
    "dqn": ("DQN, DQNPolicy", ArgMax),
    "dqn_images": ("DQN, DQNPolicy", ArgMax),
    "ppo_cnn": ("PPO, ActorCriticCnnPolicy", Clip),
}


def read(name):
    statistics = DATA / f"{name}.pkl"
    return read_policy(DATA / f"{name}.zip", statistics if statistics.exists() else None)


@pytest.mark.parametrize("name", KINDS)
def test_actions_are_those_of_predict(name):
    imported = read(name)
    what, output = KINDS[name]
    assert imported.origin.startswith("Stable-Baselines3 2.")
    assert imported.origin.endswith(f", {what}")
    assert isinstance(imported.graph.output, output)
    observations, expected = stored(name)
    images = {"dqn_images": (8, 10, 3), "ppo_cnn": (44, 52, 3)}
    assert imported.graph.observation.shape == images.get(name, observations.shape[1:])
    check_actions(imported.graph, observations, expected)


@pytest.mark.parametrize("name", ["sac_gsde", "ppo_normalized", "ppo_cnn", "ppo"])
def test_what_was_imported_is_packed_bound_again_and_compiled(name):
    graph = read(name).graph
    observations, expected = stored(name)
    check_actions(from_bytes(to_bytes(PackedActor(graph))).graph, observations, expected)
    network, arrays = unbind(graph)
    check_actions(bind(network, arrays, "float32"), observations, expected)
    actions = Actor(PackedActor(graph))(observations)
    width = 1.0 if actions.ndim == 1 else np.subtract(graph.output.high, graph.output.low)
    assert np.max(np.abs(actions - expected) / width) < 1e-5


def test_bytes_of_an_image_are_divided_and_others_are_not():
    assert read("ppo_cnn").graph.observation == Observation((44, 52, 3), "uint8", 255.0)
    assert read("ppo_bytes").graph.observation == Observation((4,), "uint8", 1.0)


def test_the_mean_under_gsde_is_clipped_before_the_tanh():
    graph = read("sac_gsde").graph
    _, expected = stored("sac_gsde")
    (clip,) = [step for step in graph.operations if isinstance(step, bound.Normalize)]
    assert clip.limit == 2.0
    # The stored actions reach that bound, 2 tanh(2), and so does what we give.
    assert np.isclose(np.abs(expected).max(), 2 * np.tanh(2), atol=1e-4)


def test_statistics_are_in_front_and_clip():
    graph = read("ppo_normalized").graph
    assert isinstance(graph.operations[0], bound.Normalize) and graph.operations[0].limit == 2.0
    observations, _ = stored("ppo_normalized")
    mean, deviation = graph.operations[0].mean, graph.operations[0].deviation
    assert (np.abs((observations - mean) / deviation) > 2).mean() > 0.01
    assert isinstance(unbind(graph)[0].operations[0], Normalize)


def test_statistics_of_another_shape_or_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ppo_normalized\.pkl: statistics of the shape \(4,\)"):
        read_policy(DATA / "sac.zip", DATA / "ppo_normalized.pkl")
    with pytest.raises(ValueError, match=r"sac\.npz: .*pickle"):
        read_policy(DATA / "sac.zip", DATA / "sac.npz")
    with pytest.raises(ValueError, match=r"ppo_normalized\.pkl: a VecNormalize, no policy"):
        read_policy(DATA / "ppo_normalized.pkl")


def test_bounds_beside_a_file_that_has_its_own_are_refused():
    with pytest.raises(ValueError, match="output: given"):
        read_policy(DATA / "sac.zip", output=Squash((-1.0,), (1.0,)))


def test_another_activation_is_named():
    line = r"elu\.zip: activation_fn: found <torch\.nn\.modules\.activation\.ELU>; allowed: ReLU"
    with pytest.raises(ValueError, match=line):
        read_policy(DATA / "elu.zip")


def changed(tmp_path, name, change):
    """A copy of a zip file with another `data`, or without a member."""
    target = tmp_path / "changed.zip"
    with zipfile.ZipFile(DATA / f"{name}.zip") as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "data":
                data = json.loads(content)
                change(data)
                content = json.dumps(data).encode()
            new.writestr(member, content)
    return target


def as_global(module, name):
    pickled = f"c{module}\n{name}\n.".encode()
    return {":type:": "type", ":serialized:": base64.b64encode(pickled).decode()}


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("policy_class", as_global("mine", "Policy"), "policy_class: found <mine.Policy>"),
        (
            "policy_class",
            as_global("stable_baselines3.common.policies", "MultiInputActorCriticPolicy"),
            "policy_class: found <stable_baselines3.common.policies.MultiInputActorCriticPolicy>",
        ),
        ("policy_class", as_global("os", "system"), "policy_class: found <os.system>"),
        ("policy_class", None, "policy_class: found a NoneType"),
        ("policy_kwargs", [], None),
        ("policy_kwargs", [1], "policy_kwargs: found a list"),
        ("observation_space", None, "observation_space: found a NoneType; expected a space"),
        ("action_space", {":serialized:": "!"}, "action_space: no base64"),
        ("action_space", {":serialized:": "AAAA"}, "action_space: a damaged pickle"),
        ("action_space", {":serialized:": 3}, "action_space: no base64"),
        ("action_space", as_global("x", "MultiDiscrete"), "action_space: found <x.MultiDiscrete>"),
    ],
)
def test_settings_of_another_kind_are_one_line(tmp_path, field, value, line):
    file = changed(tmp_path, "ppo", lambda data: data.update({field: value}))
    if line is None:
        read_policy(file)
        return
    with pytest.raises(ValueError) as error:
        read_policy(file)
    assert line in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(file))


def test_an_action_space_of_another_size_is_refused(tmp_path):
    pendulum = json.loads(zipfile.ZipFile(DATA / "ppo.zip").read("data"))["action_space"]
    file = changed(tmp_path, "ppo_cnn", lambda data: data.update(action_space=pendulum))
    with pytest.raises(ValueError, match="bounds of 1 actions, the last layer has 2"):
        read_policy(file)


def test_spaces_that_are_dictionaries_are_refused(tmp_path):
    space = base64.b64encode(b"(igymnasium.spaces.dict\nDict\n}b.").decode()
    for field in ("observation_space", "action_space"):
        file = changed(tmp_path, "ppo", lambda data: data.update({field: {":serialized:": space}}))  # noqa: B023
        with pytest.raises(ValueError, match=f"{field}: found Dict; allowed: Box, Discrete"):
            read_policy(file)
