"""How one sparsity is spread over the layers. Plain NumPy: done once, before anything is compiled.

Each distribution maps the kernels' shapes and the overall sparsity to one sparsity per layer;
`pruned_counts` turns these into whole numbers of weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

Shape = tuple[int, ...]
Distribution = Callable[[Sequence[Shape], float], list[float]]


def uniform(shapes: Sequence[Shape], sparsity: float) -> list[float]:
    """Every layer gets the same sparsity, the last one included."""
    return [sparsity] * len(shapes)


def erk(shapes: Sequence[Shape], sparsity: float) -> list[float]:
    """Erdos-Renyi-Kernel (Evci et al. 2020, section 3): density_l = eps * sum(dims) / prod(dims).

    The dims of a convolution include its kernel's. eps follows from the number of weights that
    may stay. While some density exceeds 1, the layer with the largest one is fixed as dense and
    eps is solved again for the rest.
    """
    sizes = np.array([math.prod(shape) for shape in shapes], dtype=float)
    raw = np.array([sum(shape) for shape in shapes], dtype=float) / sizes
    density = np.ones(len(shapes))
    free = np.ones(len(shapes), dtype=bool)
    while free.any():
        budget = (1.0 - sparsity) * sizes.sum() - sizes[~free].sum()
        density[free] = raw[free] * budget / (raw[free] * sizes[free]).sum()
        largest = int(np.argmax(np.where(free, density, -np.inf)))
        if density[largest] <= 1.0:
            break
        density[largest] = 1.0
        free[largest] = False
    return [float(1.0 - d) for d in density]


def er_paper(shapes: Sequence[Shape], sparsity: float) -> list[float]:
    """The variant of Ivanov et al. (2024): it scales sparsity, not density.

    s_l = k (1 - (n_in + n_out) / (n_in n_out)), with kernel sizes among the dims as in `erk`, and
    k such that the overall sparsity is met. Where some s_l would exceed 1 that layer's is fixed
    at 1, and k is solved again.
    """
    sizes = np.array([math.prod(shape) for shape in shapes], dtype=float)
    raw = 1.0 - np.array([sum(shape) for shape in shapes], dtype=float) / sizes
    raw = np.maximum(raw, 0.0)  # a layer with one input or output would get a negative sparsity
    layer_sparsity = np.zeros(len(shapes))
    free = raw > 0
    while free.any():
        budget = sparsity * sizes.sum() - (layer_sparsity * sizes)[~free].sum()
        layer_sparsity[free] = raw[free] * budget / (raw[free] * sizes[free]).sum()
        largest = int(np.argmax(np.where(free, layer_sparsity, -np.inf)))
        if layer_sparsity[largest] <= 1.0:
            break
        layer_sparsity[largest] = 1.0
        free[largest] = False
    return [float(s) for s in layer_sparsity]


PER_LAYER: dict[str, Distribution] = {"uniform": uniform, "erk": erk, "er_paper": er_paper}


def named(distribution: str) -> Distribution:
    """The distribution of a name; for `global`, whose threshold needs the total only, `uniform`."""
    return PER_LAYER.get(distribution, uniform)


def pruned_counts(
    shapes: Sequence[Shape], sparsity: float, distribution: Distribution
) -> Int[np.ndarray, " layers"]:
    """How many weights of each layer go, to the nearest one; at least one weight stays."""
    sizes = np.array([math.prod(shape) for shape in shapes])
    wanted = np.rint(np.array(distribution(shapes, sparsity)) * sizes).astype(np.int32)
    return np.clip(wanted, 0, sizes - 1).astype(np.int32)
