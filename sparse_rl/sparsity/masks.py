"""Masks: a pytree beside the parameters, boolean where a leaf is pruned, `None` where it is not.

A weight is alive where its mask is True. The invariant that everything else relies on: where a mask
is False, the parameter and its optimizer moments are exactly zero. `apply` restores it after a mask
changed; masked gradients keep it, so that no forward pass needs to multiply by a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

Params = Any
Masks = Any  # the structure of Params, with Bool arrays at kernels and None elsewhere

Prune = Callable[[Masks, Params, Int[Array, " layers"]], Masks]
"""From masks, scores and how many weights of each layer are to be dead: the masks after it."""

PRUNABLE = "kernel"
_IS_NONE = {"is_leaf": lambda leaf: leaf is None}


def dense(params: Params) -> Masks:
    """Masks in which every kernel is fully alive and every other leaf is `None`."""

    def mask(path: tuple[Any, ...], leaf: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        return jnp.ones(leaf.shape, bool) if path[-1].key == PRUNABLE else None

    return jax.tree_util.tree_map_with_path(mask, params)


def none(params: Params) -> Masks:
    """Masks of a network that is never pruned: `None` everywhere, so that they cost nothing."""
    return jax.tree.map(lambda _: None, params)


def apply(masks: Masks, tree: Params) -> Params:
    """`tree` (parameters, gradients or moments) with exact zeros where the mask is False."""
    return jax.tree.map(
        lambda mask, leaf: leaf if mask is None else jnp.where(mask, leaf, 0),
        masks,
        tree,
        **_IS_NONE,
    )


class Layer(NamedTuple):
    """One prunable kernel: its name (`hidden_0`, `stack_1/convolution_0`) and shape."""

    name: str
    shape: tuple[int, ...]


def layers(params: Params) -> list[Layer]:
    """The prunable kernels in the order in which all functions here take counts."""
    flat, _ = jax.tree_util.tree_flatten_with_path(params)
    return [
        Layer("/".join(str(entry.key) for entry in path[:-1] if entry.key != "params"), leaf.shape)
        for path, leaf in flat
        if path[-1].key == PRUNABLE
    ]


def alive_counts(masks: Masks) -> Int[Array, " layers"]:
    """How many weights of each layer are alive."""
    return jnp.stack([jnp.sum(mask, dtype=jnp.int32) for mask in jax.tree.leaves(masks)])


def keep_largest(scores: Float[Array, " weights"], dead: Int[Array, ""]) -> Bool[Array, " weights"]:
    """A mask that drops the `dead` smallest scores; of equal scores the lower index goes first.

    `dead` may be traced; it is capped so that at least one weight stays. A NaN is the largest.

    The smallest survivor is found bit by bit, by counting: 32 passes over the scores, and half as
    many again where a tie is to be cut through, which cost a tenth of sorting them.
    """
    size = scores.shape[0]
    dropped = jnp.minimum(dead, size - 1)
    keys = in_order(scores)
    first = _largest(lambda bound: jnp.sum(keys < bound, dtype=jnp.int32) <= dropped, 32)
    ties, index = keys == first, jnp.arange(size, dtype=jnp.uint32)
    dropped_ties = dropped - jnp.sum(keys < first, dtype=jnp.int32)
    bits = max(1, size.bit_length())
    first_tie = _largest(
        lambda bound: jnp.sum(ties & (index < bound), dtype=jnp.int32) <= dropped_ties,
        bits,
        steps=jnp.where(dropped_ties > 0, bits, 0),  # of floats hardly ever
    )
    return (keys > first) | (ties & (index >= first_tie))


def in_order(scores: Float[Array, " weights"]) -> UInt32[Array, " weights"]:
    """Integers in the order of the scores: equal where these are, the highest for NaN."""
    bits = jax.lax.bitcast_convert_type(scores, jnp.uint32)
    ordered = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))
    ordered = jnp.where(scores == 0, jnp.uint32(1 << 31), ordered)  # 0.0 and -0.0
    return jnp.where(jnp.isnan(scores), jnp.uint32(0xFFFFFFFF), ordered)


def _largest(
    holds: Callable[[UInt32[Array, ""]], Bool[Array, ""]],
    bits: int,
    steps: int | Int[Array, ""] | None = None,
) -> UInt32[Array, ""]:
    """The largest number of `bits` bits for which `holds`, which is true up to some number.

    Bits are found from the highest on; the lowest stay zero where there are fewer `steps`.
    """

    def decide(i: Int[Array, ""], found: UInt32[Array, ""]) -> UInt32[Array, ""]:
        larger = found | (jnp.uint32(1 << (bits - 1)) >> i.astype(jnp.uint32))
        return jnp.where(holds(larger), larger, found)

    return jax.lax.fori_loop(0, bits if steps is None else steps, decide, jnp.uint32(0))


def keep_per_layer(masks: Masks, scores: Params, dead: Int[Array, " layers"]) -> Masks:
    """Masks anew: in layer l the `dead[l]` lowest scores are dead, whatever was so before.

    `masks` says which leaves have one. For methods in which weights come back.
    """
    layers = _flat(masks, scores)
    kept = [keep_largest(layer, dead[i]) for i, layer in enumerate(layers)]
    return _like(masks, kept)


def random_scores(params: Params, key: Key[Array, ""]) -> Params:
    """A number from U(0, 1) for every parameter: its largest ones are weights chosen at random."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.uniform(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def above_all(masks: Masks, scores: Params) -> Params:
    """Scores in which what `masks` keeps ranks above everything else."""
    return jax.tree.map(
        lambda mask, score: score if mask is None else jnp.where(mask, jnp.inf, score),
        masks,
        scores,
        **_IS_NONE,
    )


def prune_per_layer(masks: Masks, scores: Params, dead: Int[Array, " layers"]) -> Masks:
    """In layer l exactly `dead[l]` weights are dead: those dead before and the lowest scores.

    They are more only where more were dead before, and one fewer where all would be.
    """
    return _both(masks, keep_per_layer(masks, live_only(masks, scores), dead))


def prune_globally(masks: Masks, scores: Params, dead: Int[Array, " layers"]) -> Masks:
    """One threshold for all layers: `sum(dead)` weights are dead in all, or those dead before.

    The best weight of every layer is kept first, so that none is cut through.
    """
    ranked = _flat(masks, live_only(masks, scores))
    protected = [layer.at[jnp.argmax(layer)].set(jnp.inf) for layer in ranked]
    limit = sum(layer.shape[0] for layer in ranked) - len(ranked)
    kept = keep_largest(jnp.concatenate(protected), jnp.minimum(jnp.sum(dead), limit))
    ends = np.cumsum([layer.shape[0] for layer in ranked])[:-1]
    return _both(masks, _like(masks, jnp.split(kept, ends)))


def pruning_of(distribution: str) -> Prune:
    """How a distribution's target counts are reached: per layer, or by one threshold for all."""
    return prune_globally if distribution == "global" else prune_per_layer


def live_only(masks: Masks, scores: Params) -> Params:
    """Scores in which a dead weight ranks below every live one, so that it never returns."""
    return jax.tree.map(
        lambda mask, score: None if mask is None else jnp.where(mask, score, -jnp.inf),
        masks,
        scores,
        **_IS_NONE,
    )


def _both(one: Masks, other: Masks) -> Masks:
    return jax.tree.map(jnp.logical_and, one, other)


def _flat(masks: Masks, scores: Params) -> list[Float[Array, " weights"]]:
    """The scores of every leaf that has a mask, each as one row."""
    pairs = zip(
        jax.tree.leaves(masks, **_IS_NONE), jax.tree.leaves(scores, **_IS_NONE), strict=True
    )
    return [score.ravel() for mask, score in pairs if mask is not None]


def _like(masks: Masks, flat: list[Bool[Array, " weights"]]) -> Masks:
    """`flat` in the structure of `masks`."""
    old, structure = jax.tree.flatten(masks)
    return jax.tree.unflatten(
        structure, [new.reshape(mask.shape) for mask, new in zip(old, flat, strict=True)]
    )
