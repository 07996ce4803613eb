"""Masks that change once: by magnitude late in training, or by SNIP after the first update."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params, Prune
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.options import OneShotOptions, SnipOptions
from sparse_rl.sparsity.scores import magnitude


def connection_sensitivity(network: Pruned) -> Params:
    """|w dL/dw|, from one batch (SNIP; Lee et al. 2019, arXiv 1810.02340, equation 5)."""
    return jax.tree.map(lambda w, g: jnp.abs(w * g), network.params, network.gradients)


class SingleShot(NamedTuple):
    """At step `at` the lowest scores go, all at once; before it, members are dense."""

    at: int
    score: Callable[[Pruned], Params]
    select: Prune
    begin: int
    needs_gradients: bool

    @property
    def end(self) -> int:
        return self.at

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """Dense."""
        return mask_rules.dense(params)

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        return clock == self.at

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        return self.select(network.masks, self.score(network), network.target_counts)


def build_one_shot(options: OneShotOptions, config: Config) -> SingleShot:
    """Prunes to the end at once; what is left of training is fine-tuning."""
    at = config.step_at(options.at)
    begin = at - config.steps_per_update
    select = mask_rules.pruning_of(config.sparsity.distribution)
    return SingleShot(
        at, lambda network: magnitude(network.params), select, begin, needs_gradients=False
    )


def build_snip(options: SnipOptions, config: Config) -> SingleShot:
    """Prunes after the first update, by one threshold for all layers, as its paper does."""
    begin = config.first_step
    return SingleShot(
        at=begin + config.steps_per_update,
        score=connection_sensitivity,
        select=mask_rules.prune_globally,
        begin=begin,
        needs_gradients=True,
    )
