"""Which weights matter: a score per weight, of the parameters' structure; the lowest are pruned."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sparse_rl.sparsity.masks import Params


def magnitude(params: Params) -> Params:
    """|w| (Han et al. 2015)."""
    return jax.tree.map(jnp.abs, params)
