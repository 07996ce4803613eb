"""Layers of a policy as stored in policies/VARIANT.safetensors: their order and their masks."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, Float

from sparse_rl.architecture.network import layers
from sparse_rl.runs.run import Run

_BUILT_IN = ("convolution", "stack", "hidden", "mean", "log_std", "head")


def in_order(run: Run, names: Collection[str]) -> list[str]:
    """Layers from input to output, as the run's network computes them; those it lacks come last.

    A run of format 1 has not written its network, which then is of the house: convolutions,
    residual stacks, dense layers, heads.
    """
    if run.format == 1:
        return by_name(names)
    place = {layer.path: index for index, layer in enumerate(layers(run.network()))}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))


def by_name(names: Collection[str]) -> list[str]:
    """Layers of the networks that are built in, from input to output."""

    def key(name: str) -> tuple[int, list[object]]:
        kinds = [i for i, kind in enumerate(_BUILT_IN) if name.startswith(kind)]
        parts = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
        return (kinds[0] if kinds else len(_BUILT_IN)), [str(type(parts[0])), *parts]

    return sorted(names, key=key)


def masks(run: Run, variant: str) -> dict[str, Bool[np.ndarray, "seeds ..."]]:
    """Masks of a variant's kernels by layer, from input to output; empty without its policies."""
    if not run.has_policies(variant):
        return {}
    stored = {
        name.removesuffix("/kernel"): mask
        for name, mask in run.policies(variant).masks.items()
        if name.endswith("/kernel")
    }
    return {name: stored[name] for name in in_order(run, stored)}


def fan_out(mask: Bool[np.ndarray, "seeds ... inputs outputs"]) -> Float[np.ndarray, " inputs"]:
    """Share of an input's weights that survive, mean over seeds (and a convolution's window)."""
    others = tuple(axis for axis in range(mask.ndim) if axis != mask.ndim - 2)
    return mask.mean(axis=others)


def share_of_seeds_that_look(
    mask: Bool[np.ndarray, "seeds ... inputs outputs"],
) -> Float[np.ndarray, " inputs"]:
    """In what share of the seeds an input has any weight left."""
    others = tuple(axis for axis in range(1, mask.ndim) if axis != mask.ndim - 2)
    return mask.any(axis=others).mean(axis=0)
