"""N:M sparsity: of every M weights in a row along the input axis, N are alive at most.

What sparse matrix units compute with (2:4; Mishra et al. 2021, arXiv 2104.08378). The input axis of
a kernel is all of its axes but the last, flattened: that of the matrix product that a dense layer
and a convolution over patches are. Where its length is no multiple of M, the kernel counts as
padded with zeros: of a last group of r weights min(N, r) stay. So what is delivered is N:M in each
layer, whatever the layer's shape.

Pruning is gradual: N falls from M to its final value along the cubic rise of Zhu and Gupta (2017),
in whole weights of a group (a decaying structure; Kao et al. 2022, arXiv 2209.07617).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.gradual import Gradual, schedule_of
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.options import NMOptions
from sparse_rl.sparsity.scores import magnitude


def dead_weights(shape: Sequence[int], m: int) -> Int[np.ndarray, " m"]:
    """How many weights of a kernel are dead where d of each group of m are, for d in 0 .. m - 1."""
    groups, rest = divmod(math.prod(shape[:-1]), m)
    d = np.arange(m)
    return (shape[-1] * (groups * d + np.maximum(0, rest - (m - d)))).astype(np.int32)


def keep_largest_of_groups(
    scores: Float[Array, "*inputs outputs"], dead: Int[Array, ""], m: int
) -> Bool[Array, "*inputs outputs"]:
    """A mask in which the `dead` smallest of each group of m scores are dead.

    Of equal scores the lower index goes first; a NaN is the largest. What a last group lacks is
    dead before anything else.
    """
    inputs = math.prod(scores.shape[:-1])
    flat = scores.reshape(inputs, scores.shape[-1])
    missing = -inputs % m
    padding = jnp.full((missing, flat.shape[1]), -jnp.inf, flat.dtype)
    # In front of the last group's own, so that it goes before dead weights, which score the same.
    full = (inputs // m) * m
    groups = jnp.concatenate([flat[:full], padding, flat[full:]]).reshape(-1, m, flat.shape[1])
    kept = (_ranks(groups) >= dead).reshape(-1, flat.shape[1])
    return jnp.concatenate([kept[:full], kept[full + missing :]]).reshape(scores.shape)


def _ranks(groups: Float[Array, "groups m outputs"]) -> Int[Array, "groups m outputs"]:
    """For each score how many of its group go before it: a stable sort's place, without sorting."""
    keys = mask_rules.in_order(groups)
    mine, others = keys[:, :, None], keys[:, None]
    m = groups.shape[1]
    earlier = jnp.arange(m)[None, :] < jnp.arange(m)[:, None]
    before = (others < mine) | ((others == mine) & earlier[..., None])
    return jnp.sum(before, axis=2, dtype=jnp.int32)


@dataclass(frozen=True)
class Groups:
    """Patterns N:M as a rule of pruning: N follows from how many weights of a layer are dead."""

    m: int

    def pruned_counts(
        self, shapes: Sequence[tuple[int, ...]], sparsity: float
    ) -> Int[np.ndarray, " layers"]:
        """How many weights of each layer go: round(m sparsity) of each group."""
        dead = min(round(self.m * sparsity), self.m - 1)
        return np.array([dead_weights(shape, self.m)[dead] for shape in shapes], np.int32)

    def __call__(
        self,
        masks: Masks,
        scores: Params,
        target_counts: Int[Array, " layers"],
        share: float | Float[Array, ""] = 1.0,
    ) -> Masks:
        """Of each group so many are dead as in the end, times a share of the way.

        Those that were dead before come first and stay so.
        """
        flat, structure = jax.tree.flatten(masks)
        ranked = jax.tree.leaves(mask_rules.live_only(masks, scores))
        found = []
        for i, (mask, score) in enumerate(zip(flat, ranked, strict=True)):
            # The fewest of each group that make the final count.
            steps = jnp.asarray(dead_weights(mask.shape, self.m))
            final = jnp.sum(steps < target_counts[i], dtype=jnp.int32)
            dead = jnp.rint(share * final).astype(jnp.int32)
            found.append(mask & keep_largest_of_groups(score, dead, self.m))
        return jax.tree.unflatten(structure, found)


@dataclass(frozen=True)
class NMPruning(Gradual):
    """At each due step the smallest magnitudes of every group of m go for good."""

    m: int

    def pruned_counts(
        self, shapes: Sequence[tuple[int, ...]], sparsity: float
    ) -> Int[np.ndarray, " layers"]:
        """How many weights of each layer go: round(m sparsity) of each group."""
        return Groups(self.m).pruned_counts(shapes, sparsity)

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        """The masks of this step: of each group so many are dead as in the end, times the share."""
        share = self.schedule.share(clock)
        scores = magnitude(network.params)
        return Groups(self.m)(network.masks, scores, network.target_counts, share)


def build(options: NMOptions, config: Config) -> NMPruning:
    """From `sparsity.begin` to `sparsity.end`, as gradual pruning."""
    return NMPruning(schedule_of(config), options.m)
