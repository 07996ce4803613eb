"""Weights of an MLP and of a convolutional network, in which methods are compared with NumPy."""

from typing import Any

import jax.numpy as jnp
import numpy as np

SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "mlp": {"head": (16, 3), "hidden_0": (7, 16), "hidden_1": (16, 16)},
    "convolution": {"convolution_0": (3, 3, 4, 8), "head": (16, 3), "hidden_0": (33, 16)},
}
"""Kernels by layer, in the order in which JAX flattens them."""
NETWORKS = sorted(SHAPES)
LEVELS = [0.0, 0.5, 0.9, 0.98]


def shapes(network: str) -> list[tuple[int, ...]]:
    return list(SHAPES[network].values())


def sizes(network: str) -> np.ndarray:
    return np.array([np.prod(shape) for shape in shapes(network)])


def tree(network: str, seed: int) -> dict[str, Any]:
    """Normal kernels, those of the first layer ten times as large; biases of zero."""
    rng = np.random.default_rng(seed)
    return {
        name: {
            "kernel": jnp.asarray(
                (10.0 if i == 0 else 1.0) * rng.normal(size=shape).astype(np.float32)
            ),
            "bias": jnp.zeros(shape[-1]),
        }
        for i, (name, shape) in enumerate(SHAPES[network].items())
    }


def kernels(masks_or_params: Any, network: str) -> list[np.ndarray]:
    """What is prunable, layer by layer."""
    return [np.asarray(masks_or_params[name]["kernel"]) for name in SHAPES[network]]
