"""Stable-Baselines3's VecNormalize, as `VecNormalize.save` pickles it, in front of a policy.

An observation becomes clip((x - mean) / sqrt(variance + epsilon), -clip_obs, clip_obs)
(stable_baselines3/common/vec_env/vec_normalize.py). There the statistics are float64; here they are
float32, as everything that is delivered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sparse_rl.artifact.graph import Graph, Normalize
from sparse_rl.importers import inert_pickle
from sparse_rl.importers.inert_pickle import Record
from sparse_rl.importers.numpy_arrays import array_of, float32_of, kind_of


def normalize_of(data: bytes) -> Normalize | None:
    """The normalization in a pickle; None where it leaves observations as they are.

    Raises ValueError, one line, for anything but a VecNormalize of one array.
    """
    value = inert_pickle.loads(data)
    if not isinstance(value, Record) or value.name != "VecNormalize":
        raise ValueError(f"found {kind_of(value)}; expected a pickled VecNormalize")
    state = value.state if isinstance(value.state, dict) else {}
    if state.get("norm_obs", True) is False:
        return None
    statistics = state.get("obs_rms")
    if isinstance(statistics, dict):
        raise ValueError("obs_rms: found statistics of a dictionary; allowed: those of one array")
    if not isinstance(statistics, Record) or not isinstance(statistics.state, dict):
        raise ValueError(f"obs_rms: found {kind_of(statistics)}; expected a RunningMeanStd")
    mean, variance = (float32_of(statistics.state.get(k), f"obs_rms.{k}") for k in ("mean", "var"))
    epsilon, limit = (_number(state, name) for name in ("epsilon", "clip_obs"))
    return Normalize(mean, variance, epsilon, limit)


def in_front(graph: Graph, normalize: Normalize | None) -> Graph:
    """The graph with the normalization as its first operation.

    Raises ValueError where it has one already, reads pixels that are divided, or is of another
    shape.
    """
    if normalize is None:
        return graph
    seen = graph.observation
    if graph.operations and isinstance(graph.operations[0], Normalize):
        raise ValueError("the policy has a normalization of its own; allowed: one")
    if seen.divisor != 1:
        raise ValueError(f"the policy divides observations by {seen.divisor:g}; allowed: by 1")
    if normalize.mean.shape != seen.shape:
        raise ValueError(
            f"statistics of the shape {normalize.mean.shape}; the policy reads {seen.shape}"
        )
    return replace(graph, operations=(normalize, *graph.operations))


def _number(state: dict[Any, Any], name: str) -> float:
    array = array_of(state.get(name), name)
    if array.shape != () or not 0 < float(array) < 1e30 or np.float32(array) == 0:
        raise ValueError(f"{name}: found {array}; expected a positive number")
    return float(array)
