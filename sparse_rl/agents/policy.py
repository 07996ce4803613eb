"""The network that is trained to be small: SAC's actor, DQN's Q network."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import optax
import optax.tree_utils as otu
from jaxtyping import Array, Float

from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params


class Policy(NamedTuple):
    """Parameters, the masks beside them, and the optimizer's state.

    Where a mask is False the parameter and its moments are exactly zero: `step` keeps that, and
    `with_masks` restores it when masks change.
    """

    params: Params
    masks: Masks
    optimizer: optax.OptState

    def step(self, optimizer: optax.GradientTransformation, gradients: Params) -> Policy:
        """One optimizer step along the gradients of the weights that are alive."""
        alive = mask_rules.apply(self.masks, gradients)
        updates, state = optimizer.update(alive, self.optimizer, self.params)
        return self._replace(params=optax.apply_updates(self.params, updates), optimizer=state)

    def with_masks(self, masks: Masks) -> Policy:
        """The same policy with the weights that `masks` drops, and their moments, set to zero."""
        moments = {
            name: mask_rules.apply(masks, otu.tree_get(self.optimizer, name))
            for name in ("mu", "nu")
        }
        return Policy(
            params=mask_rules.apply(masks, self.params),
            masks=masks,
            optimizer=otu.tree_set(self.optimizer, **moments),
        )


def init(params: Params, optimizer: optax.GradientTransformation) -> Policy:
    """A dense policy."""
    return Policy(params, mask_rules.dense(params), optimizer.init(params))


def adam(
    learning_rate: float, epsilon: float, weight_decay: float, clip: float | None = None
) -> optax.GradientTransformation:
    """Adam as in PyTorch: clip by global norm, then add the L2 term, then the step."""
    parts = [optax.clip_by_global_norm(clip)] if clip is not None else []
    if weight_decay > 0:
        parts.append(optax.add_decayed_weights(weight_decay))
    return optax.chain(*parts, optax.adam(learning_rate, eps=epsilon))


def blend(online: Any, target: Any, tau: float) -> Any:
    """Polyak averaging: tau * online + (1 - tau) * target."""
    return jax.tree.map(lambda new, old: tau * new + (1.0 - tau) * old, online, target)


def weighted_mean(
    values: Float[Array, " batch"], weight: Float[Array, " batch"]
) -> Float[Array, ""]:
    """sum(w x) / sum(w); 0 for a batch in which nothing counts."""
    return (values * weight).sum() / jax.numpy.maximum(weight.sum(), 1.0)
