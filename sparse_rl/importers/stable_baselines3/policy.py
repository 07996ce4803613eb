"""A policy that Stable-Baselines3, or sb3-contrib's TRPO, has saved with `model.save`.

The zip file has `data`, JSON in which what is no JSON is a cloudpickle in base64, and `policy.pth`,
the state dict. Neither is executed. `data` does not name the algorithm: it follows from the
policy's class and from the hyperparameters that are there.

Read are MlpPolicy and CnnPolicy (NatureCNN), Box observations, and Box or Discrete actions. Layers
follow from the state dict; the activation from `policy_kwargs`, else from the class. Images have
channels first there and last here: the policy reads [height, width, channels], and bytes from 0 to
255 are divided by 255 unless `normalize_images` is false. The deterministic action is `predict`'s:

- SAC, TD3, DDPG: tanh, then rescaled to the bounds. SAC with gSDE clips the mean before the tanh.
- PPO, A2C, TRPO: the mean, clipped to the bounds; with `squash_output` as SAC.
- DQN, and discrete actions: the largest value or logit.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from sparse_rl.architecture.operations import ArgMax, Observation, Output, Relu, Tanh
from sparse_rl.artifact.graph import Dense, Graph, Operation
from sparse_rl.importers import inert_pickle, torch_tensors
from sparse_rl.importers.archive import Archive
from sparse_rl.importers.imported import Imported
from sparse_rl.importers.inert_pickle import Record
from sparse_rl.importers.numpy_arrays import kind_of
from sparse_rl.importers.stable_baselines3.gymnasium_spaces import Box, Discrete, space_of
from sparse_rl.importers.stable_baselines3.layers import actor, features
from sparse_rl.importers.torch_layers import clipped_to, squashed_to

_MOST_JSON = 1 << 24
_LONGEST_VERSION = 64
_ACTIVATIONS: dict[str, Relu | Tanh] = {"ReLU": Relu(), "Tanh": Tanh()}
_FAMILIES = {
    "SACPolicy": "SAC",
    "TD3Policy": "TD3",
    "DQNPolicy": "DQN",
    "ActorCriticPolicy": "on-policy",
    "ActorCriticCnnPolicy": "on-policy",
}
_CNN_OF = {"stable_baselines3.sac.policies": "SAC", "stable_baselines3.td3.policies": "TD3"}
_CNN_OF |= {"stable_baselines3.dqn.policies": "DQN"}
_EXTRACTORS = ("FlattenExtractor", "NatureCNN")


def is_stable_baselines3(archive: Archive) -> bool:
    """Whether the zip file is one of Stable-Baselines3."""
    return "data" in archive.names and "policy.pth" in archive.names


def read(archive: Archive) -> Imported:
    """The deterministic policy in the zip file.

    Raises ValueError, one line, for a damaged file and for what is not read: other policies,
    dictionaries of observations, activations other than ReLU and Tanh.
    """
    data = _settings(archive)
    version = "of an unknown version"
    if "_stable_baselines3_version" in archive.names:
        content = archive.read("_stable_baselines3_version", _LONGEST_VERSION)
        version = content.decode("latin-1").split("\n")[0].strip()
    policy = _decoded(data, "policy_class")
    family = _family(policy)
    keywords = _keywords(data)
    tensors = torch_tensors.tensors_of(torch_tensors.load(Archive(archive.read("policy.pth"))))
    seen = space_of(_decoded(data, "observation_space"), "observation_space")
    if not isinstance(seen, Box):
        raise ValueError("observation_space: found Discrete; allowed: Box")
    actions = space_of(_decoded(data, "action_space"), "action_space")
    default = "Tanh" if family == "on-policy" else "ReLU"
    activation = _activation(keywords.get("activation_fn", Record("torch.nn", default)))

    image = seen.is_pixels or any(".cnn." in name or name.startswith("cnn.") for name in tensors)
    divides = keywords.get("normalize_images", True) is not False
    observation = _observation(seen, divides, image)
    start, flattened = features(tensors, family, observation, image)
    clip_mean = keywords.get("clip_mean", 2.0)
    steps = [*start, *actor(tensors, family, activation, flattened, clip_mean)]
    squash = family in ("SAC", "TD3") or keywords.get("squash_output", False) is True
    graph = _with_output(observation, steps, actions, squash)
    origin = f"Stable-Baselines3 {version}, {_algorithm(data, family)}, {policy.name}"
    return Imported(graph, origin)


def _with_output(
    observation: Observation, steps: list[Operation], actions: Box | Discrete, squash: bool
) -> Graph:
    last = steps[-1]
    assert isinstance(last, Dense)
    output: Output = ArgMax()
    if isinstance(actions, Discrete):
        if actions.n != len(last.bias):
            raise ValueError(f"action_space: {actions.n} actions, the policy has {len(last.bias)}")
    elif len(actions.shape) != 1:
        raise ValueError(f"action_space: found the shape {actions.shape}; allowed: one axis")
    elif squash:
        output = squashed_to(last, actions.low.tolist(), actions.high.tolist())
    else:
        last, output = clipped_to(last, actions.low.tolist(), actions.high.tolist())
    return Graph(observation, (*steps[:-1], last), output)


def _observation(space: Box, normalize_images: bool, image: bool) -> Observation:
    """What the policy reads: an image with its channels last, other shapes as they are."""
    shape = space.shape or (1,)
    if image and len(shape) == 3:
        channels, height, width = shape
        shape = (height, width, channels)
    if space.dtype == "uint8":
        return Observation(shape, "uint8", 255.0 if space.is_pixels and normalize_images else 1.0)
    return Observation(shape, "bool" if space.dtype == "bool" else "float32")


def _settings(archive: Archive) -> dict[str, Any]:
    try:
        data = json.loads(archive.read("data", _MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"data: no JSON: {str(error).splitlines()[0][:100]}") from None
    if not isinstance(data, dict):
        raise ValueError("data: no JSON object")
    return data


def _decoded(data: dict[str, Any], name: str) -> Any:
    """A field of `data`, its cloudpickle read as data."""
    value = data.get(name)
    if not isinstance(value, dict) or ":serialized:" not in value:
        return value
    try:
        return inert_pickle.loads(base64.b64decode(value[":serialized:"], validate=True))
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"data: {name}: no base64: {error}") from None
    except ValueError as error:
        raise ValueError(f"data: {name}: {error}") from None


def _keywords(data: dict[str, Any]) -> dict[Any, Any]:
    """policy_kwargs; raises ValueError where a features extractor is not one of the library's."""
    keywords = _decoded(data, "policy_kwargs") or {}
    if not isinstance(keywords, dict):
        raise ValueError(f"data: policy_kwargs: found {kind_of(keywords)}; expected a dictionary")
    extractor = keywords.get("features_extractor_class")
    if extractor is not None and getattr(extractor, "name", None) not in _EXTRACTORS:
        raise ValueError(
            f"features_extractor_class: found {kind_of(extractor)}; "
            f"allowed: {', '.join(_EXTRACTORS)}"
        )
    return keywords


def _family(policy: Any) -> str:
    """SAC, TD3, DQN or on-policy; raises ValueError for a class that is none of the library's."""
    if isinstance(policy, Record) and not policy.called:
        module = policy.module
        if policy.name in _FAMILIES and module.startswith("stable_baselines3."):
            return _FAMILIES[policy.name]
        if policy.name == "CnnPolicy" and module in _CNN_OF:
            return _CNN_OF[module]
    raise ValueError(
        f"policy_class: found {kind_of(policy)}; allowed: MlpPolicy and CnnPolicy of SAC, TD3, "
        f"DDPG, PPO, A2C, DQN, TRPO"
    )


def _activation(value: Any) -> Relu | Tanh:
    name = value.name if isinstance(value, Record) and not value.called else ""
    if name not in _ACTIVATIONS or not value.module.startswith("torch.nn"):
        raise ValueError(f"activation_fn: found {kind_of(value)}; allowed: ReLU, Tanh")
    return _ACTIVATIONS[name]


def _algorithm(data: dict[str, Any], family: str) -> str:
    if family == "TD3":
        return "DDPG" if data.get("policy_delay") == 1 else "TD3"
    if family == "on-policy":
        if "clip_range" in data:
            return "PPO"
        return "TRPO" if "cg_max_steps" in data else "A2C"
    return family
