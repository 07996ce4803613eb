"""Top-k forward, dense behind: the straight-through estimator (STE).

Bengio et al. 2013 (arXiv 1308.3432), for pruning as in JaxPruner's `magnitude_ste` (Lee et al.
2023, arXiv 2304.14082).

A dense network w is trained, and what acts and is differentiated is the network of its largest
weights,

    forward with  v = m(w) * w,  m = the largest |w| of each layer
    backward      w <- w - step(dL/dv)         (the mask counts as the identity)

A weight that is not in use goes on learning, and returns with what it has become. `MaskedNetwork`
keeps w apart, as `dense`: the parameters that are evaluated, copied to targets and delivered are v,
exactly zero where dead.

In groups, m keeps the N largest |w| of every M along the input axis (Zhou et al. 2021, arXiv
2102.04010, without the term that draws dead weights to zero).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Bool, Int, Key

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params, Prune
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.n_m import Groups
from sparse_rl.sparsity.options import NMStraightThroughOptions, StraightThroughOptions
from sparse_rl.sparsity.scores import magnitude


@dataclass(frozen=True)
class StraightThrough:
    """Sparse from the first step; the masks are chosen anew, from the dense weights."""

    select: Prune
    interval: int
    end: int
    begin: ClassVar[int] = 0
    needs_gradients: ClassVar[bool] = False
    straight_through: ClassVar[bool] = True

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """The largest of the initial weights."""
        return self._largest(params, target_counts)

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        return ((clock % self.interval == 0) & (clock < self.end)) | (clock == self.end)

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        """The largest of the dense weights, which `network.params` are here."""
        return self._largest(network.params, network.target_counts)

    def _largest(self, params: Params, target_counts: Int[Array, " layers"]) -> Masks:
        return self.select(mask_rules.dense(params), magnitude(params), target_counts)


@dataclass(frozen=True)
class NMStraightThrough(StraightThrough):
    """The same in groups of M weights, of which N act."""

    select: Groups

    def pruned_counts(
        self, shapes: Sequence[tuple[int, ...]], sparsity: float
    ) -> Int[np.ndarray, " layers"]:
        """How many weights of each layer go: round(M sparsity) of each group."""
        return self.select.pruned_counts(shapes, sparsity)


def build_n_m(options: NMStraightThroughOptions, config: Config) -> NMStraightThrough:
    """Patterns N:M, whatever `sparsity.distribution` says."""
    return NMStraightThrough(
        Groups(options.m),
        options.updates * config.steps_per_update,
        config.step_at(options.stop),
    )


def build(options: StraightThroughOptions, config: Config) -> StraightThrough:
    """As `sparsity.distribution` spreads the level."""
    return StraightThrough(
        mask_rules.pruning_of(config.sparsity.distribution),
        options.updates * config.steps_per_update,
        config.step_at(options.stop),
    )
