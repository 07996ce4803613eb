"""What the training loop knows of an agent; it knows nothing else."""

from __future__ import annotations

from typing import Protocol, TypeVar

from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.replay import Batch
from sparse_rl.sparsity.masks import Params

Metrics = dict[str, Float[Array, ""]]


State = TypeVar("State")
"""A NamedTuple with everything an agent learns; its field `policy`, a `Policy`, is compressed."""


class Agent(Protocol[State]):
    """Pure functions of one member; no environment, no member axis, no quantisation in sight."""

    def init(self, key: Key[Array, ""]) -> State:
        """Fresh networks, targets and optimizer states."""

    def random_action(self, key: Key[Array, ""]) -> Num[Array, "*action"]:
        """A uniformly random action, for the steps before learning starts."""

    def explore(
        self,
        state: State,
        observation: Num[Array, "*observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Num[Array, "*action"]:
        """The action of training, with its noise."""

    def act(
        self, params: Params, observation: Num[Array, "batch *observation"]
    ) -> Num[Array, "batch *action"]:
        """The deterministic policy that is evaluated and exported."""

    def update(
        self, state: State, batch: Batch, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> tuple[State, Metrics]:
        """One gradient step on every network."""
