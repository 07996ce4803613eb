"""State dicts of CleanRL's scripts, as torch.save wrote them, recognised by the names of layers.

A state dict has no network in it, so what is between its layers is that of the script whose names
it has (github.com/vwxyzjn/cleanrl, cleanrl/*.py at version 1.0.0):

- sac_continuous_action: fc1, fc2, ... with ReLU, fc_mean, tanh;
- td3_continuous_action, ddpg_continuous_action: fc1, fc2, ... with ReLU, fc_mu, tanh;
- ppo_continuous_action: actor_mean.0, .2, .4 with tanh; the mean is clipped to the bounds;
- ppo: actor.0, .2, .4 with tanh, the largest logit;
- dqn: network.0, .2, .4 with ReLU, the largest value;
- dqn_atari, ppo_atari: convolutions network.0, .2, .4 with strides 4, 2, 1 and a layer network.7,
  each with ReLU, then network.9 or actor; bytes divided by 255.

The first three rescale by their tensors action_scale and action_bias, where these are. Names may
have a prefix, `actor.`, and a file several state dicts. Layers of other names are refused, because
they would be left out. What CleanRL's scripts do to observations by a wrapper is not in the file:
ppo_continuous_action normalizes them.
"""

from __future__ import annotations

import re

import numpy as np

from sparse_rl.architecture.operations import (
    ArgMax,
    Clip,
    Flatten,
    Observation,
    Output,
    Relu,
    Squash,
    Tanh,
)
from sparse_rl.artifact.graph import Dense, Graph, Operation, shape_after
from sparse_rl.importers import torch_tensors
from sparse_rl.importers.archive import Archive
from sparse_rl.importers.imported import Imported, OutputError
from sparse_rl.importers.torch_layers import (
    NATURE,
    Shape,
    Stride,
    Tensors,
    agreed,
    clipped_to,
    convolution,
    dense,
    numbered,
    perceptron,
    squashed_to,
    tensor,
)

_RECOGNISED = {
    "fc_mean": r"fc\d+|fc_mean|fc_logstd|action_scale|action_bias",
    "fc_mu": r"fc\d+|fc_mu|action_scale|action_bias",
    "actor_mean.0": r"actor_mean|actor_logstd|critic",
    "actor.0": r"actor|critic",
    "network.0": r"network|actor|critic",
}
"""The layer by which a script is known -> the first parts of all names that it has."""


def read(archive: Archive, output: Output | None) -> Imported:
    """The deterministic policy of a state dict; `output` where it has no bounds of actions.

    Raises ValueError, one line, where no script has these names, or `output` is missing.
    """
    tensors, layer = _recognised(torch_tensors.tensors_of(torch_tensors.load(archive)))
    if layer in ("fc_mean", "fc_mu"):
        graph = _squashed(tensors, layer, output)
        origin = "CleanRL, SAC" if layer == "fc_mean" else "CleanRL, TD3 or DDPG"
    elif layer == "actor_mean.0":
        steps = perceptron(tensors, numbered(tensors, "actor_mean"), Tanh())
        given = agreed(output, Clip, "a state dict of PPO for continuous actions")
        assert isinstance(given, Clip)
        last, clip = clipped_to(_last(steps), given.low, given.high)
        graph = Graph(_vector(steps), (*steps[:-1], last), clip)
        origin = "CleanRL, PPO"
    elif tensors[f"{layer}.weight"].ndim == 4:
        graph = _pixels(tensors)
        origin = "CleanRL, PPO or DQN on pixels"
    else:
        prefix, activation = ("actor", Tanh()) if layer == "actor.0" else ("network", Relu())
        steps = perceptron(tensors, numbered(tensors, prefix), activation)
        graph = Graph(_vector(steps), tuple(steps), _discrete(output))
        origin = "CleanRL, PPO" if layer == "actor.0" else "CleanRL, DQN"
    return Imported(graph, f"{origin}, a state dict")


def _recognised(tensors: Tensors) -> tuple[Tensors, str]:
    """The tensors of one policy without their prefix, and the layer by which they are known.

    Raises ValueError where no name is known, several policies are, or a name is unknown.
    """
    for layer, known in _RECOGNISED.items():
        ending = f"{layer}.weight"
        prefixes = [
            name[: -len(ending)]
            for name in tensors
            if name == ending or name.endswith(f".{ending}")
        ]
        prefixes = [prefix for prefix in prefixes if "target" not in prefix]
        if not prefixes:
            continue
        if len(prefixes) > 1:
            raise ValueError(f"{len(prefixes)} policies with a layer {layer}; allowed: one")
        (prefix,) = prefixes
        own = {k[len(prefix) :]: value for k, value in tensors.items() if k.startswith(prefix)}
        others = [name for name in own if not re.fullmatch(known, name.partition(".")[0])]
        if others:
            raise ValueError(
                f"{prefix}{others[0][:80]}: no layer of CleanRL's policies with {layer}; "
                f"allowed: {known.replace('|', ', ')}"
            )
        return own, layer
    raise ValueError(
        f"no state dict of a known policy: found {', '.join(list(tensors)[:8]) or 'no tensors'}; "
        f"readable: those with {', '.join(_RECOGNISED)}"
    )


def _squashed(tensors: Tensors, head: str, output: Output | None) -> Graph:
    count = sum(1 for name in tensors if re.fullmatch(r"fc\d+\.weight", name))
    hidden = [f"fc{k}" for k in range(1, count + 1)]
    steps = perceptron(tensors, [*hidden, head], Relu())
    last = _last(steps)
    if "action_scale" not in tensors:
        given = agreed(output, Squash, f"a state dict with {head} and without action_scale")
        assert isinstance(given, Squash)
        return Graph(_vector(steps), tuple(steps), squashed_to(last, given.low, given.high))
    shape = last.bias.shape
    try:
        scale, bias = (
            np.broadcast_to(tensor(tensors, name).ravel(), shape).astype(np.float64)
            for name in ("action_scale", "action_bias")
        )
    except ValueError:
        raise ValueError(f"action_scale, action_bias: expected numbers of shape {shape}") from None
    squash = squashed_to(last, (bias - scale).tolist(), (bias + scale).tolist(), "action_scale")
    if output is not None and not _same(squash, output):
        raise OutputError(f"output: found {output}; the file has {squash}")
    return Graph(_vector(steps), tuple(steps), squash)


def _pixels(tensors: Tensors) -> Graph:
    """The network of Mnih et al. 2015 on the smallest square image that gives its layer's inputs.

    The file does not have the size of the image: 84 x 84 is the smallest that gives 7 x 7.
    """
    names = [f"network.{k}" for k in (0, 2, 4)]
    layers = [convolution(tensors, layer) for layer in map(Stride, names, NATURE)]
    hidden = tensor(tensors, "network.7.weight")
    channels = layers[-1].weights.values.shape[3]
    side = round((hidden.shape[-1] / channels) ** 0.5)
    if hidden.ndim != 2 or side * side * channels != hidden.shape[1] or side < 1:
        raise ValueError(f"network.7.weight: the shape {hidden.shape} is that of no square image")
    size = side
    for layer in reversed(layers):
        size = (size - 1) * layer.strides[0] + layer.weights.values.shape[0]
    shape: Shape = (size, size, layers[0].weights.values.shape[2])
    observation = Observation(shape, "uint8", 255.0)
    steps: list[Operation] = []
    for layer in layers:
        steps += [layer, Relu()]
        shape = shape_after(layer, shape)
    steps += [Flatten(), dense(tensors, "network.7", shape), Relu()]
    head = "actor" if "actor.weight" in tensors else "network.9"
    return Graph(observation, (*steps, dense(tensors, head)), ArgMax())


def _discrete(output: Output | None) -> Output:
    if not isinstance(output, ArgMax | None):
        found = type(output).__name__
        raise OutputError(f"output: found {found}; the policy's is ArgMax", ArgMax)
    return ArgMax()


def _same(one: Squash, other: Output) -> bool:
    if not isinstance(other, Squash) or len(one.low) != len(other.low):
        return False
    return bool(np.allclose([one.low, one.high], [other.low, other.high], rtol=1e-5, atol=1e-6))


def _last(steps: list[Operation]) -> Dense:
    assert isinstance(steps[-1], Dense)
    return steps[-1]


def _vector(steps: list[Operation]) -> Observation:
    assert isinstance(steps[0], Dense)
    return Observation((len(steps[0].weights.values),))
