"""A pruning method: one schedule, one score and one rule of selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int

from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity import scores
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.sparsity.schedules import CubicSchedule


class GradualPruning(NamedTuple):
    """Gradual pruning (Zhu and Gupta 2017): at each due step the lowest scores go for good."""

    schedule: CubicSchedule
    select: Callable[[Masks, Params, Int[Array, " layers"]], Masks] = mask_rules.prune_per_layer
    score: Callable[[Params], Params] = scores.magnitude

    def update(
        self,
        masks: Masks,
        params: Params,
        final_counts: Int[Array, " layers"],
        clock: Int[Array, ""],
    ) -> Masks:
        """The masks of this step, when `schedule.is_due(clock)`.

        `final_counts` says how many weights of each layer are dead in the end; so many, times the
        schedule's share, are dead now, to the nearest weight. At the end the share is exactly 1,
        and float32 holds every count below 2^24: the final sparsity is exact to one weight.
        """
        now = jnp.rint(final_counts * self.schedule.share(clock)).astype(jnp.int32)
        return self.select(masks, self.score(params), now)
