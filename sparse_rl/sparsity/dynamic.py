"""Sparse from the first step, with connections that move: SET and RigL; and that do not: static.

At every due step a share of the live weights, those of smallest magnitude, dies, and as many grow
elsewhere in the same layer: at random (SET; Mocanu et al. 2018, arXiv 1707.04780), or where the
gradient is largest (RigL; Evci et al. 2020, arXiv 1911.11134). The share falls as a cosine,

    share(t) = drop_fraction / 2 (1 + cos(pi t / end))                     (Evci et al., section 3)

A weight that has just died may grow again at once. New weights start at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.options import DynamicOptions, StaticOptions
from sparse_rl.sparsity.scores import magnitude
from sparse_rl.sparsity.unscheduled import Unscheduled

Growth = Callable[[Pruned], Params]
"""Scores by which dead weights come back, the highest first."""


def by_gradient(network: Pruned) -> Params:
    """|dL/dw|, which a dead weight has as well as a live one."""
    return jax.tree.map(jnp.abs, network.gradients)


def at_random(network: Pruned) -> Params:
    """U(0, 1)."""
    return mask_rules.random_scores(network.params, network.key)


class DynamicSparseTraining(NamedTuple):
    """SET or RigL, as `growth` says."""

    growth: Growth
    needs_gradients: bool
    drop_fraction: float
    interval: int
    end: int
    begin: int = 0

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """Weights chosen at random, exactly as many of each layer as stay throughout."""
        return random_masks(params, target_counts, key)

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        return (clock % self.interval == 0) & (clock < self.end)

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        share = 0.5 * self.drop_fraction * (1.0 + jnp.cos(jnp.pi * clock / self.end))
        alive = mask_rules.alive_counts(network.masks)
        moved = jnp.minimum(jnp.floor(share * alive).astype(jnp.int32), network.target_counts)
        dead = network.target_counts
        kept = mask_rules.prune_per_layer(network.masks, magnitude(network.params), dead + moved)
        grown = mask_rules.above_all(kept, self.growth(network))
        return mask_rules.keep_per_layer(kept, grown, dead)


@dataclass(frozen=True)
class Static(Unscheduled):
    """Random masks that never change: what a method must beat to be worth its name."""

    end: int

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        return random_masks(params, target_counts, key)


def random_masks(params: Params, dead: Int[Array, " layers"], key: Key[Array, ""]) -> Masks:
    """`dead[l]` weights of layer l, chosen at random, are dead."""
    scores = mask_rules.random_scores(params, key)
    return mask_rules.keep_per_layer(mask_rules.dense(params), scores, dead)


def build_rigl(options: DynamicOptions, config: Config) -> DynamicSparseTraining:
    """RigL with the interval of `sparsity`."""
    return _build(options, config, by_gradient, needs_gradients=True)


def build_set(options: DynamicOptions, config: Config) -> DynamicSparseTraining:
    """SET with the interval of `sparsity`."""
    return _build(options, config, at_random, needs_gradients=False)


def build_static(options: StaticOptions, config: Config) -> Static:
    """Masks that are what they are from the start."""
    return Static(config.prefill_steps)


def _build(
    options: DynamicOptions, config: Config, growth: Growth, needs_gradients: bool
) -> DynamicSparseTraining:
    return DynamicSparseTraining(
        growth,
        needs_gradients,
        options.drop_fraction,
        config.sparsity.interval,
        config.step_at(options.stop),
    )
