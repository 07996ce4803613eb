"""Parameters that `brax.io.model.save_params` pickled: a tuple (normalizer, policy, ...).

The file has no field for the network, so it follows from the structure, with these assumptions:

- two elements, and layers hidden_0, hidden_1, ...: SAC (or ES) with its default ReLU;
- three elements: PPO, whose default activation is swish, which is no operation here: refused, and
  so are two elements with four layers of 32 units, PPO's default network before brax 0.12;
- the policy is NormalTanhDistribution's mode, tanh of the first half of the last layer's outputs,
  in the bounds of all of brax's environments, -1 and 1;
- observations were normalized, where the statistics have counted any: (x - mean) / std without a
  clip. Brax counts them also where `normalize_observations` is false; the file cannot tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparse_rl.architecture.operations import Observation, Output, Relu, Squash
from sparse_rl.artifact.graph import Dense, Graph, Normalize, Operation
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers.imported import Imported, OutputError
from sparse_rl.importers.inert_pickle import Record
from sparse_rl.importers.numpy_arrays import float32_of, kind_of
from sparse_rl.importers.torch_layers import squashed_to

_EPSILON = 1e-30
_NO_LIMIT = 1e29
"""No number of float32 that a policy sees; a packed file cannot hold infinity here."""
_MOST_ELEMENTS = 1 << 26
_DEFAULT_OF_PPO = (32, 32, 32, 32)


def is_brax(value: Any) -> bool:
    """Whether this is the tuple that brax saves."""
    return isinstance(value, tuple | list) and len(value) >= 2 and _layers(value[1]) is not None


def read(value: Any, output: Output | None) -> Imported:
    """The deterministic policy; `output` in place of bounds of -1 and 1.

    Raises ValueError, one line, where the structure is not that of SAC with one array observed.
    """
    if len(value) > 2:
        raise ValueError(
            "parameters of brax's PPO, whose activation is swish; allowed: ReLU, as SAC has"
        )
    layers = _layers(value[1])
    assert layers is not None
    steps: list[Operation] = []
    for number in range(len(layers)):
        steps += [_dense(layers, f"hidden_{number}"), Relu()]
    steps.pop()
    last = steps.pop()
    hidden = tuple(len(step.bias) for step in steps if isinstance(step, Dense))
    if hidden == _DEFAULT_OF_PPO:
        raise ValueError(
            "four layers of 32 units are brax's PPO, whose activation is swish; allowed: ReLU"
        )
    assert isinstance(last, Dense)
    actions, odd = divmod(len(last.bias), 2)
    if odd or not actions:
        raise ValueError(f"{len(last.bias)} outputs; expected means and scales, an even number")
    kernel = np.ascontiguousarray(last.weights.values[:, :actions])
    mean = Dense(Weights(kernel), last.bias[:actions])
    squash = Squash((-1.0,) * actions, (1.0,) * actions)
    if output is not None:
        if not isinstance(output, Squash):
            found = type(output).__name__
            raise OutputError(f"output: found {found}; the policy's is Squash", Squash)
        squash = squashed_to(mean, output.low, output.high)
    normalize = _normalize(value[0])
    steps = [*([normalize] if normalize else []), *steps, mean]
    size = len(layers["hidden_0"]["kernel"])
    origin = f"brax, SAC, observations {'' if normalize else 'not '}normalized"
    return Imported(Graph(Observation((size,)), tuple(steps), squash), origin)


def _layers(policy: Any) -> dict[str, dict[str, np.ndarray]] | None:
    """The layers of {"params": {"hidden_0": {"kernel": ..., "bias": ...}, ...}}, if it is that."""
    layers = policy.get("params") if isinstance(policy, dict) else None
    if not isinstance(layers, dict) or not layers or "hidden_0" not in layers:
        return None
    found, elements = {}, 0
    for number in range(len(layers)):
        layer = layers.get(f"hidden_{number}")
        if not isinstance(layer, dict) or set(layer) != {"kernel", "bias"}:
            others = ", ".join(sorted(str(name)[:40] for name in layers)[:8])
            raise ValueError(f"layers of brax: found {others}; allowed: hidden_0, hidden_1, ...")
        arrays = {name: float32_of(layer[name], f"hidden_{number}/{name}") for name in layer}
        # Arrays may share their bytes, so that all of them are more than their file.
        elements += sum(array.size for array in arrays.values())
        if elements > _MOST_ELEMENTS:
            raise ValueError(f"layers of brax: more than {_MOST_ELEMENTS} weights")
        found[f"hidden_{number}"] = arrays
    return found


def _dense(layers: dict[str, dict[str, np.ndarray]], name: str) -> Dense:
    kernel, bias = layers[name]["kernel"], layers[name]["bias"]
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
        raise ValueError(f"{name}: kernel {kernel.shape} and bias {bias.shape} of no layer")
    return Dense(Weights(kernel), bias)


def _normalize(statistics: Any) -> Normalize | None:
    """RunningStatisticsState as a normalization; None where it has seen no observation."""
    state = statistics.state if isinstance(statistics, Record) else None
    if not isinstance(state, dict):
        raise ValueError(f"normalizer: found {kind_of(statistics)}; expected running statistics")
    if isinstance(state.get("mean"), dict):
        raise ValueError("normalizer: statistics of a dictionary; allowed: those of one array")
    mean, deviation = (float32_of(state.get(k), f"normalizer.{k}") for k in ("mean", "std"))
    if not (mean.any() or (deviation != 1).any()):
        return None
    return Normalize(mean, np.square(deviation), _EPSILON, _NO_LIMIT)
