"""Layers of a policy as stored in policies/VARIANT.safetensors: their order and their masks."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Bool, Float

from sparse_rl.runs.run import Run

_FROM_INPUT_TO_OUTPUT = ("convolution", "stack", "hidden", "mean", "log_std", "head")


def in_order(names: list[str]) -> list[str]:
    """Layers from input to output: convolutions, residual stacks, dense layers, heads."""

    def key(name: str) -> tuple[int, list[object]]:
        kinds = [i for i, kind in enumerate(_FROM_INPUT_TO_OUTPUT) if name.startswith(kind)]
        parts = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
        return (kinds[0] if kinds else len(_FROM_INPUT_TO_OUTPUT)), [str(type(parts[0])), *parts]

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
    return {name: stored[name] for name in in_order(list(stored))}


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
