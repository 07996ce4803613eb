"""What the updates of several agents share: Adam as PyTorch has it, schedules, and means."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from sparse_rl.networks.layers import RANGES


def adam(
    learning_rate: optax.ScalarOrSchedule,
    epsilon: float,
    weight_decay: float,
    clip: float | None = None,
) -> optax.GradientTransformation:
    """Adam as in PyTorch: clip by global norm, then add the L2 term, then the step.

    Nothing is added for remembered ranges, which are beside the parameters and have no gradients:
    Adam would make a whole step of any decay.
    """
    parts = [optax.clip_by_global_norm(clip)] if clip is not None else []
    if weight_decay > 0:
        parts.append(optax.add_decayed_weights(weight_decay, _learned))
    return optax.chain(*parts, optax.adam(learning_rate, eps=epsilon))


def _learned(params: Any) -> Any:
    """True for every parameter, False for what the collection of ranges holds."""
    ranges = (jax.tree_util.DictKey(RANGES),)
    return jax.tree_util.tree_map_with_path(lambda path, _: path[:1] != ranges, params)


def linear(first: float, last: float, steps: int, clock: Int[Array, ""]) -> Float[Array, ""]:
    """Falls, or rises, linearly from `first` at 0 to `last` at `steps`, then stays."""
    share = jnp.minimum(clock / max(steps, 1), 1.0)
    return first + share * (last - first)


def weighted_mean(
    values: Float[Array, " batch"], weight: Float[Array, " batch"]
) -> Float[Array, ""]:
    """sum(w x) / sum(w); 0 for a batch in which nothing counts."""
    return (values * weight).sum() / jnp.maximum(weight.sum(), 1.0)


def standardized(
    values: Float[Array, " batch"], weight: Float[Array, " batch"]
) -> Float[Array, " batch"]:
    """(x - mean) / (deviation + 1e-8) of those that count; the deviation is that of a sample.

    A single one stays as it is, as in SB3's PPO: it has no deviation.
    """
    count = weight.sum()
    centered = values - weighted_mean(values, weight)
    variance = (jnp.square(centered) * weight).sum() / jnp.maximum(count - 1.0, 1.0)
    return jnp.where(count > 1, centered / (jnp.sqrt(variance) + 1e-8), values)
