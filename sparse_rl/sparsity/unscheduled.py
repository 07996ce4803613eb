"""What methods have in common whose masks change at no step of a schedule."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from sparse_rl.sparsity.masks import Masks
from sparse_rl.sparsity.method import Pruned


class Unscheduled:
    """All of a `Method` but `end` and `init`, for a frozen dataclass that inherits from it.

    Its members are trained apart from the first step on.
    """

    begin = 0
    needs_gradients = False

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        return jnp.bool_(False)

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        return network.masks
