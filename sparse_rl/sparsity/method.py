"""What the training loop knows of a sparsity method: how masks come about, and when they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Int, Key

from sparse_rl.sparsity.masks import Masks, Params


class Pruned(NamedTuple):
    """What a method decides from, of one network of one member.

    Attributes:
        masks: those of now.
        params: where a mask is False, exactly zero; with the straight-through estimator the dense
            weights.
        gradients: of the loss of a batch, the last one where the update has it, dense: also where
            a mask is False. None where the method does not need them.
        target_counts: how many weights of each layer are dead in the end; traced, so that one
            program serves all levels.
        key: for what is drawn; another one for every member, network and step.
    """

    masks: Masks
    params: Params
    gradients: Params | None
    target_counts: Int[Array, " layers"]
    key: Key[Array, ""]


class Method(Protocol):
    """Pure functions of one network; whoever calls sets what dies to zero, with its moments.

    Weights may come back: they start at zero. At least one weight of every layer stays alive.

    Attributes:
        begin: the first step at which members of this method may differ from dense ones; until
            then all levels share the training of the dense network.
        end: the last step at which a mask may change.
        needs_gradients: whether `update` looks at them.
    """

    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def needs_gradients(self) -> bool: ...

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """The masks before the first step: dense, or sparse from the start (then `begin` is 0)."""

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether masks change after the update at this step; the clock is that of all members."""

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        """The masks from here on, at a step that is due."""


@runtime_checkable
class OwnCounts(Protocol):
    """A method whose pattern says how many weights of each layer go, whatever the distribution."""

    def pruned_counts(
        self, shapes: Sequence[tuple[int, ...]], sparsity: float
    ) -> Int[np.ndarray, " layers"]:
        """How many weights of each layer are dead in the end; at least one of each stays."""


@runtime_checkable
class Heir(Protocol):
    """A method whose members start with the final masks of another one, and from the first step.

    Attributes:
        masks_of: the other method's name.
    """

    @property
    def masks_of(self) -> str: ...


def keeps_dense_weights(method: Method) -> bool:
    """Whether all weights go on learning behind the masks: the method's `straight_through`.

    Such a method is sparse from the first step.
    """
    return bool(getattr(method, "straight_through", False))
