"""Networks and optimizers in plain NumPy float64, for checking agents against the formulas."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu

from sparse_rl.memory.replay import Batch

Tree = Any


def to_float64(tree: Tree) -> Tree:
    """Nested dicts of arrays, as float64."""
    if isinstance(tree, dict):
        return {key: to_float64(value) for key, value in tree.items()}
    return np.asarray(tree, np.float64)


def dense(layer: Tree, x: np.ndarray) -> np.ndarray:
    return x @ layer["kernel"] + layer["bias"]


def perceptron(params: Tree, x: np.ndarray, head: str) -> np.ndarray:
    """Hidden layers hidden_0, hidden_1, ... with ReLU, then `head`."""
    index = 0
    while f"hidden_{index}" in params["params"]:
        x = np.maximum(dense(params["params"][f"hidden_{index}"], x), 0.0)
        index += 1
    return dense(params["params"][head], x)


def gradient(loss: Callable[[Tree], float], params: Tree, step: float = 1e-6) -> Tree:
    """Central finite differences of `loss` at every parameter."""
    result = {}
    for key, value in params.items():
        if isinstance(value, dict):
            result[key] = gradient(lambda inner, key=key: loss({**params, key: inner}), value, step)
            continue
        slope = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            up, down = value.copy(), value.copy()
            up[index] += step
            down[index] -= step
            slope[index] = (loss({**params, key: up}) - loss({**params, key: down})) / (2 * step)
        result[key] = slope
    return result


def leaves(tree: Tree) -> list[np.ndarray]:
    """The arrays of nested dicts, in the order of their names."""
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    return [np.asarray(tree)]


def norm(tree: Tree) -> float:
    """Euclidean, of all numbers together."""
    return float(np.sqrt(sum((leaf**2).sum() for leaf in leaves(tree))))


def first_adam_step(params: Tree, slopes: Tree, rate: float, epsilon: float) -> Tree:
    """Adam from zero moments: both bias corrections cancel, so p - rate g / (|g| + epsilon)."""
    if isinstance(params, dict):
        return {key: first_adam_step(params[key], slopes[key], rate, epsilon) for key in params}
    return params - rate * slopes / (np.abs(slopes) + epsilon)


def scaled(tree: Tree, factor: float) -> Tree:
    if isinstance(tree, dict):
        return {key: scaled(value, factor) for key, value in tree.items()}
    return tree * factor


def added(first: Tree, second: Tree) -> Tree:
    if isinstance(first, dict):
        return {key: added(first[key], second[key]) for key in first}
    return first + second


def transitions(count: int, actions: int) -> Batch:
    """Random ones on three numbers; the second ends an episode, the fourth is a reset."""
    random = np.random.default_rng(1)
    return Batch(
        observation=jnp.array(random.normal(size=(count, 3)), jnp.float32),
        action=jnp.array(random.uniform(-1, 1, (count, actions)), jnp.float32),
        reward=jnp.array(random.normal(size=count), jnp.float32),
        discount=jnp.full(count, 0.9).at[1].set(0.0),
        next_observation=jnp.array(random.normal(size=(count, 3)), jnp.float32),
        weight=jnp.ones(count).at[3].set(0.0),
    )


def values(critics: Tree, count: int, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Q(s, a) of the first `count` of stacked critics, [count, batch]."""
    joined = np.concatenate([observation, action], axis=1)
    return np.stack([perceptron(take(critics, i), joined, "head")[:, 0] for i in range(count)])


def take(tree: Tree, index: int) -> Tree:
    """One of the networks that are stacked on the first axis."""
    if isinstance(tree, dict):
        return {key: take(value, index) for key, value in tree.items()}
    return tree[index]


def check_moment(optimizer: tuple, slopes: Tree) -> None:
    """From zero moments, Adam's first moment is a tenth of the gradient."""
    moment = leaves(jax.device_get(otu.tree_get(optimizer, "mu")))
    for found, wanted in zip(moment, leaves(slopes), strict=True):
        np.testing.assert_allclose(found / 0.1, wanted, rtol=2e-3, atol=3e-5)
