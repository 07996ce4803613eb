"""Scores of weights: of those that are compared, the lowest go first."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sparse_rl.sparsity.masks import Params

Score = Callable[[Params], Params]
"""From parameters to a number for each."""


def magnitude(params: Params) -> Params:
    """|w| (Han et al. 2015, arXiv 1506.02626)."""
    return jax.tree.map(jnp.abs, params)


def lamp(params: Params) -> Params:
    """Layer-adaptive magnitude (LAMP; Lee et al. 2021, arXiv 2010.07611, equation 4).

        score(u) = w_u^2 / sum of w_v^2 over all v of the layer with |w_v| >= |w_u|

    of weights of equal magnitude the one of the lower index counts as the smaller. Within a layer
    the order is that of the magnitudes; between layers a score says which share of what is left
    of its layer a weight is. The largest weight of each layer scores 1, the most; one that is zero
    scores 0.
    """
    return jax.tree.map(_lamp, params)


def _lamp(weights: Float[Array, "..."]) -> Float[Array, "..."]:
    size = jnp.abs(weights.ravel())
    order = jnp.argsort(size, stable=True)
    largest = jnp.maximum(size.max(), jnp.finfo(size.dtype).tiny)
    square = jnp.square(size[order] / largest)  # neither overflows nor vanishes in all weights
    at_least_as_large = jnp.cumsum(square[::-1])[::-1]
    scores = jnp.where(square > 0, square / at_least_as_large, 0.0)
    return jnp.zeros_like(size).at[order].set(scores).reshape(weights.shape)
