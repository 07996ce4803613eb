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
from jaxtyping import Array, Bool, Float, Int, UInt32

Params = Any
Masks = Any  # the structure of Params, with Bool arrays at kernels and None elsewhere

PRUNABLE = "kernel"
_IS_NONE = {"is_leaf": lambda leaf: leaf is None}


def dense(params: Params) -> Masks:
    """Masks in which every kernel is fully alive and every other leaf is `None`."""

    def mask(path: tuple[Any, ...], leaf: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        return jnp.ones(leaf.shape, bool) if path[-1].key == PRUNABLE else None

    return jax.tree_util.tree_map_with_path(mask, params)


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


def keep_largest(
    scores: Float[Array, " weights"], pruned: Int[Array, ""]
) -> Bool[Array, " weights"]:
    """A mask that drops the `pruned` smallest scores; of equal scores the lower index goes first.

    `pruned` may be traced; it is capped so that at least one weight stays. A NaN is the largest.

    The smallest survivor is found bit by bit, by counting: some fifty passes over the scores, which
    cost a tenth of sorting them.
    """
    size = scores.shape[0]
    dropped = jnp.minimum(pruned, size - 1)
    keys = _in_order(scores)
    first = _largest(lambda bound: jnp.sum(keys < bound, dtype=jnp.int32) <= dropped, 32)
    ties, index = keys == first, jnp.arange(size, dtype=jnp.uint32)
    dropped_ties = dropped - jnp.sum(keys < first, dtype=jnp.int32)
    first_tie = _largest(
        lambda bound: jnp.sum(ties & (index < bound), dtype=jnp.int32) <= dropped_ties,
        max(1, size.bit_length()),
    )
    return (keys > first) | (ties & (index >= first_tie))


def _in_order(scores: Float[Array, " weights"]) -> UInt32[Array, " weights"]:
    """Integers in the order of the scores: equal where these are, the highest for NaN."""
    bits = jax.lax.bitcast_convert_type(scores, jnp.uint32)
    ordered = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))
    ordered = jnp.where(scores == 0, jnp.uint32(1 << 31), ordered)  # 0.0 and -0.0
    return jnp.where(jnp.isnan(scores), jnp.uint32(0xFFFFFFFF), ordered)


def _largest(holds: Callable[[UInt32[Array, ""]], Bool[Array, ""]], bits: int) -> UInt32[Array, ""]:
    """The largest number of `bits` bits for which `holds`, which is true up to some number."""

    def decide(i: Int[Array, ""], found: UInt32[Array, ""]) -> UInt32[Array, ""]:
        larger = found | (jnp.uint32(1 << (bits - 1)) >> i.astype(jnp.uint32))
        return jnp.where(holds(larger), larger, found)

    return jax.lax.fori_loop(0, bits, decide, jnp.uint32(0))


def _ranked(masks: Masks, scores: Params) -> list[Float[Array, " weights"]]:
    """Flat scores of each layer; a dead weight ranks below every live one, so it never returns."""
    flat = [
        jnp.where(mask, score, -jnp.inf).ravel() if mask is not None else None
        for mask, score in zip(
            jax.tree.leaves(masks, **_IS_NONE), jax.tree.leaves(scores), strict=True
        )
    ]
    return [layer for layer in flat if layer is not None]


def _rebuild(masks: Masks, flat: list[Bool[Array, " weights"]]) -> Masks:
    """`flat` in the structure of `masks`. What was dead stays so, whatever counts were asked."""
    old, structure = jax.tree.flatten(masks)
    return jax.tree.unflatten(
        structure, [mask & new.reshape(mask.shape) for mask, new in zip(old, flat, strict=True)]
    )


def prune_per_layer(masks: Masks, scores: Params, pruned: Int[Array, " layers"]) -> Masks:
    """In layer l exactly `pruned[l]` weights are dead: those dead before and the lowest scores.

    They are more only where more were dead before, and one fewer where all would be.
    """
    kept = [keep_largest(layer, pruned[i]) for i, layer in enumerate(_ranked(masks, scores))]
    return _rebuild(masks, kept)


def prune_globally(masks: Masks, scores: Params, pruned: Int[Array, " layers"]) -> Masks:
    """One threshold for all layers: `sum(pruned)` weights are dead in all, or those dead before.

    The best weight of every layer is kept first, so that none is cut through.
    """
    ranked = _ranked(masks, scores)
    protected = [layer.at[jnp.argmax(layer)].set(jnp.inf) for layer in ranked]
    limit = sum(layer.shape[0] for layer in ranked) - len(ranked)
    kept = keep_largest(jnp.concatenate(protected), jnp.minimum(jnp.sum(pruned), limit))
    ends = np.cumsum([layer.shape[0] for layer in ranked])[:-1]
    return _rebuild(masks, jnp.split(kept, ends))
