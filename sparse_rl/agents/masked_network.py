"""A network that may be pruned: SAC's actor, its critics, DQN's Q network."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import optax

from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params


class MaskedNetwork(NamedTuple):
    """Parameters, the masks beside them, and the optimizer's state.

    Where a mask is False the parameter and its moments are exactly zero: `step` keeps that, and
    `with_masks` restores it when masks change. A weight that comes back starts at zero with zero
    moments, because that is what it was while it was dead.

    With the straight-through estimator `dense` holds weights that all learn, dead or alive, and the
    moments are theirs; the parameters are these with the masks on, exactly zero where dead.
    Otherwise it is empty.
    """

    params: Params
    masks: Masks
    optimizer: optax.OptState
    dense: Params | tuple[()] = ()

    @property
    def weights(self) -> Params:
        """What a method chooses from: the parameters, or the dense weights behind them."""
        return self.dense if jax.tree.leaves(self.dense) else self.params

    def with_dense(self) -> MaskedNetwork:
        """The same network with its parameters as the dense weights behind it."""
        return self._replace(dense=self.params)

    def learning(self, gradients: Params) -> Params:
        """The gradients of the weights that learn: those that are alive, or all dense ones."""
        if jax.tree.leaves(self.dense):
            return gradients
        return mask_rules.apply(self.masks, gradients)

    def step(self, optimizer: optax.GradientTransformation, gradients: Params) -> MaskedNetwork:
        """One optimizer step along the gradients of the weights that learn."""
        if jax.tree.leaves(self.dense):
            updates, state = optimizer.update(gradients, self.optimizer, self.dense)
            dense = optax.apply_updates(self.dense, updates)
            return self._replace(
                params=mask_rules.apply(self.masks, dense), optimizer=state, dense=dense
            )
        updates, state = optimizer.update(self.learning(gradients), self.optimizer, self.params)
        return self._replace(params=optax.apply_updates(self.params, updates), optimizer=state)

    def with_masks(self, masks: Masks) -> MaskedNetwork:
        """The same network with the weights that `masks` drops, and their moments, set to zero.

        Dense weights and their moments stay.
        """
        if jax.tree.leaves(self.dense):
            return self._replace(params=mask_rules.apply(masks, self.dense), masks=masks)
        return MaskedNetwork(
            params=mask_rules.apply(masks, self.params),
            masks=masks,
            optimizer=_masked_moments(self.optimizer, masks, jax.tree.structure(self.params)),
        )


def init(params: Params, optimizer: optax.GradientTransformation) -> MaskedNetwork:
    """A network in which every weight is alive."""
    return MaskedNetwork(params, mask_rules.dense(params), optimizer.init(params))


def init_unmasked(params: Params, optimizer: optax.GradientTransformation) -> MaskedNetwork:
    """A network that is never pruned: no leaf has a mask, so masks cost nothing."""
    return MaskedNetwork(params, mask_rules.none(params), optimizer.init(params))


def _masked_moments(state: optax.OptState, masks: Masks, structure: Any) -> optax.OptState:
    """The optimizer's state with zeros in all of its parts that have the parameters' structure."""

    def is_moment(part: Any) -> bool:
        return jax.tree.structure(part) == structure

    return jax.tree.map(
        lambda part: mask_rules.apply(masks, part) if is_moment(part) else part,
        state,
        is_leaf=is_moment,
    )
