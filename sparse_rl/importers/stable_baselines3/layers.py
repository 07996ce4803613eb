"""The layers of Stable-Baselines3's policies, by the names that its modules give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparse_rl.architecture.operations import Flatten, Observation, Relu, Tanh
from sparse_rl.artifact.graph import Dense, Normalize, Operation, shape_after
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers.torch_layers import (
    NATURE,
    Shape,
    Stride,
    Tensors,
    convolution,
    dense,
    flatten,
    numbered,
    perceptron,
)

_PREFIX = {"SAC": "actor.", "TD3": "actor.", "DQN": "q_net."}


def features(
    tensors: Tensors, family: str, observation: Observation, image: bool
) -> tuple[list[Operation], Shape | None]:
    """The features extractor, and the flattened image whose order the next layer must mend.

    FlattenExtractor, which has no parameters, or NatureCNN (stable_baselines3/common/
    torch_layers.py): the convolutions of Mnih et al. 2015 and a linear layer, each with a ReLU.
    Raises ValueError for any other parameters, or for images that are too small.
    """
    name = f"{_PREFIX.get(family, '')}features_extractor"
    if family == "on-policy" and any(key.startswith("pi_features_extractor.") for key in tensors):
        name = "pi_features_extractor"
    own = {key for key in tensors if key.startswith(f"{name}.")}
    if not own:
        return flatten(observation.shape, image)
    known = [f"{name}.cnn.{number}" for number in (0, 2, 4)]
    expected = {f"{k}.{part}" for k in (*known, f"{name}.linear.0") for part in ("weight", "bias")}
    if own != expected or len(observation.shape) != 3:
        raise ValueError(f"{name}: found {', '.join(sorted(own)[:8])}; allowed: those of NatureCNN")
    steps: list[Operation] = []
    shape: Shape = observation.shape
    for layer in map(Stride, known, NATURE):
        steps += [convolution(tensors, layer), Relu()]
        shape = shape_after(steps[-2], shape)
    return [*steps, Flatten(), dense(tensors, f"{name}.linear.0", shape), Relu()], None


def actor(
    tensors: Tensors,
    family: str,
    activation: Relu | Tanh,
    flattened: Shape | None,
    clip_mean: Any,
) -> list[Operation]:
    """From the features to the last linear layer: means, logits or values.

    Raises ValueError where layers are missing or unknown.
    """
    if family == "TD3":
        return _head(tensors, numbered(tensors, "actor.mu"), activation, flattened, "actor.mu")
    if family == "DQN":
        names = numbered(tensors, "q_net.q_net")
        return _head(tensors, names, activation, flattened, "q_net.q_net")
    if family == "on-policy":
        hidden = [
            *numbered(tensors, "mlp_extractor.shared_net"),  # before version 1.8
            *numbered(tensors, "mlp_extractor.policy_net"),
        ]
        return _head(tensors, [*hidden, "action_net"], activation, flattened, "action_net")
    hidden = numbered(tensors, "actor.latent_pi")
    if "actor.mu.weight" in tensors:
        return _head(tensors, [*hidden, "actor.mu"], activation, flattened, "actor.mu")
    # gSDE: a Sequential of the layer and a Hardtanh.
    steps = _head(tensors, [*hidden, "actor.mu.0"], activation, flattened, "actor.mu")
    return [*steps, *_hard_tanh(len(tensors["actor.mu.0.bias"]), clip_mean)]


def _head(
    tensors: Tensors,
    names: list[str],
    activation: Relu | Tanh,
    flattened: Shape | None,
    what: str,
) -> list[Operation]:
    if not names:
        raise ValueError(f"{what} has no layers")
    return perceptron(tensors, names, activation, flattened=flattened)


def _hard_tanh(size: int, limit: Any) -> list[Operation]:
    """clip(x, -limit, limit), as a normalization that does nothing else.

    The layer behind it changes nothing: networks end with a layer, which training can go on from.
    """
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < 1e30:
        raise ValueError(f"clip_mean: found {str(limit)[:40]}; allowed: a positive number")
    zeros, ones = np.zeros(size, np.float32), np.ones(size, np.float32)
    clip = Normalize(zeros, ones, 1e-12, float(limit))  # 1 + 1e-12 is 1 in float32
    return [clip, Dense(Weights(np.eye(size, dtype=np.float32)), zeros)]
