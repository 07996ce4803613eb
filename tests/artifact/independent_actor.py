"""Acting as docs/packed_format.md says it; nothing of sparse_rl is used."""

import math
from typing import Any

import numpy as np

from tests.artifact.independent_reader import File, Step, places

F = np.float32


def outputs(file: File, observation: np.ndarray) -> np.ndarray:
    """What the last operation gives for one observation."""
    divisor = file.description[0][2]
    x = observation.astype(F)
    x = x if divisor == 1 else x / F(divisor)
    for step in file.steps:
        x = after(step, x)
    return x


def action(file: File, y: np.ndarray) -> Any:
    output = file.description[2]
    if output == "argmax":
        return int(np.argmax(y))
    name, *bounds = output
    low, high = (np.broadcast_to(np.asarray(bound, F), y.shape) for bound in bounds)
    bounded = np.tanh(y) if name == "squash" else np.clip(y, F(-1), F(1))
    return low + (bounded + F(1)) * F(0.5) * (high - low)


def after(step: Step, x: np.ndarray) -> np.ndarray:
    n = step.numbers
    if step.name in ("dense", "conv"):
        return _layer(step, x)
    if step.name == "relu":
        return np.maximum(x, F(0))
    if step.name == "tanh":
        return np.tanh(x)
    if step.name == "flatten":
        return x.ravel()
    if step.name == "rescale":
        return x * np.array([2.0 ** int(e) for e in n["exponents"]], F)
    if step.name == "normalize":
        z = (x - n["mean"]) / np.sqrt(n["variance"] + F(n["epsilon"]))
        return np.clip(z, F(-n["limit"]), F(n["limit"]))
    if step.name == "norm":
        centered = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centered).mean(axis=-1, keepdims=True)
        return centered / np.sqrt(variance + F(n["epsilon"])) * n["scale"] + n["bias"]
    if step.name == "residual":
        inner = x
        for inside in step.body:
            inner = after(inside, inner)
        return x + inner
    assert step.name == "pool"
    views = _views(x, n["window"], n["strides"], n["padding"], F(-np.inf))
    return views.reshape(*views.shape[:2], -1, x.shape[2]).max(axis=2)


def _layer(step: Step, x: np.ndarray) -> np.ndarray:
    n = step.numbers
    kernel = n["values"].reshape(-1, n["values"].shape[-1])
    scale = None
    if n["source"] != "float":
        if n["source"] in ("dynamic", "floor"):
            largest = max(np.abs(x).max(), n.get("input", F(0)))
            scale = (largest or F(1)) * F(1 / 127)
        else:
            scale = n["input"]
        with np.errstate(over="ignore"):
            inverse = F(1) / F(scale)
        inverse = F(1) if np.isinf(inverse) else inverse
        x = np.rint(np.clip(x * inverse, F(-127), F(127)))
    if step.name == "conv":
        views = _views(x, n["values"].shape[:2], n["strides"], n["padding"], F(0))
        x = views.reshape(*views.shape[:2], -1)
    if scale is None:
        y = x @ kernel.astype(F)
    else:
        y = (x.astype(np.int64) @ kernel.astype(np.int64)).astype(F) * F(scale)
    if "scale" in n:
        y = y * n["scale"]
    return y + n["bias"]


def _views(x: np.ndarray, window: Any, strides: Any, padding: str, fill: Any) -> np.ndarray:
    rows, columns = places(x.shape, window, strides, padding)
    around = [(0, 0), (0, 0), (0, 0)]
    if padding == "SAME":
        for k, count in enumerate((rows, columns)):
            total = max(0, (count - 1) * strides[k] + window[k] - x.shape[k])
            around[k] = (total // 2, math.ceil(total / 2))
    padded = np.pad(x, around, constant_values=fill)
    found = np.empty((rows, columns, *window, x.shape[2]), x.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * strides[0], j * strides[1]
            found[i, j] = padded[top : top + window[0], left : left + window[1]]
    return found
