"""What the training loop knows of an agent; it knows nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.architecture import Network
from sparse_rl.spaces import Outcome
from sparse_rl.sparsity.masks import Params

Metrics = dict[str, Float[Array, ""]]

State = Any
"""A NamedTuple with everything an agent learns; its field `policy` is a `MaskedNetwork`."""
Memory = Any
"""A pytree of arrays: what the agent remembers of its steps, a replay buffer or a rollout."""


class Learned(NamedTuple):
    """What an update leaves.

    Attributes:
        state: the agent after it.
        metrics: losses and the like, for the curves; a member in which one of them is not finite
            has failed.
        gradients: of the last batch, for each network in `Agent.prunable`: dense ones, also where
            weights are dead. A method that does not look at them costs nothing by that. That of the
            policy is missing in a `DelaysPolicy`.
    """

    state: State
    metrics: Metrics
    gradients: dict[str, Params]


@runtime_checkable
class HasCopies(Protocol):
    """An agent with fields that are copies of a prunable network, made anew from time to time."""

    @property
    def copies(self) -> dict[str, str]:
        """Parameters that begin with the masks of the network named beside, and keep their own."""


@runtime_checkable
class DelaysPolicy(Protocol):
    """An agent whose policy learns in some updates only; the others compute no gradient of it."""

    def policy_gradient(
        self, state: State, memory: Memory, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> Params:
        """The policy's dense gradient on a batch of its own, for a method that looks at it."""


@runtime_checkable
class Competes(Protocol):
    """An agent whose policy competes with rivals that it holds beside it."""

    def limited(self, state: State, counts: dict[str, Int[Array, " layers"]]) -> State:
        """The state of a member that may lose so many weights of each layer."""

    def settled(self, state: State) -> State:
        """The state without rivals, when the competition is over."""


OF_METHOD, OF_AGENT = 1, 2
"""Numbers for `beside_learning`: what a sparsity method draws, and what an agent does besides."""


def beside_learning(
    learn_key: Key[Array, ""], clock: Int[Array, ""], number: int
) -> Key[Array, ""]:
    """A key that learning at `clock` does not use: by the largest numbers, from the end.

    `split` and `fold_in` of small ones give the same keys, and learning splits.
    """
    return jax.random.fold_in(jax.random.fold_in(learn_key, clock), np.uint32(2**32 - number))


class Agent(Protocol):
    """Pure functions of one member; no environment, no member axis, no quantization in sight.

    A member acts in `environments` environments side by side and learns after every `steps` of
    their steps. The clock counts the steps of all of its environments, so that it grows by
    `environments` at each: it is one scalar for all members.
    """

    @property
    def environments(self) -> int:
        """E, the environments that a member acts in side by side."""

    @property
    def steps(self) -> int:
        """Steps of every environment between two calls of `learn`."""

    @property
    def memory_steps(self) -> int:
        """Steps, of all environments together, that the memory holds."""

    @property
    def prunable(self) -> dict[str, int]:
        """The fields of the state that a sparsity method may prune, `policy` among them.

        Each with the number of twins that are stacked on the first axis of its parameters, or 0.
        """

    @property
    def followers(self) -> dict[str, str]:
        """Fields that are parameters only, and are masked as the prunable network named beside.

        Such as the target networks that a Polyak average moves towards a pruned one.
        """

    @property
    def policy_network(self) -> Network:
        """The network that `act` computes, as data: what is delivered with its parameters."""

    def init(self, key: Key[Array, ""]) -> State:
        """Fresh networks, targets and optimizer states."""

    def begin(
        self,
        state: State,
        observation: Num[Array, "environments *observation"],
        clock: Int[Array, ""],
    ) -> tuple[State, Memory]:
        """An empty memory at `clock`, before the first action on `observation`."""

    def observe(
        self, memory: Memory, clock: Int[Array, ""]
    ) -> Num[Array, "environments *observation"]:
        """What the policy sees now: the last observations, or several frames on a last axis."""

    def random_action(self, key: Key[Array, ""]) -> Num[Array, "environments *action"]:
        """Uniformly random actions, for the steps before learning starts."""

    def explore(
        self,
        state: State,
        observation: Num[Array, "environments *observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> tuple[Num[Array, "environments *action"], Any]:
        """The actions of training, with their noise, and what `remember` is to keep of them."""

    def remember(
        self,
        state: State,
        memory: Memory,
        clock: Int[Array, ""],
        action: Num[Array, "environments *action"],
        extras: Any,
        outcome: Outcome,
    ) -> tuple[State, Memory]:
        """The memory after the step that began at `clock`; the state may count observations."""

    def learn(
        self, state: State, memory: Memory, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> Learned:
        """The gradient steps that are due after `steps` steps."""

    def variables(self, state: State) -> Params:
        """What `act` needs of the state: the policy's parameters, and statistics if there are."""

    def act(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Num[Array, "batch *action"]:
        """The deterministic policy that is evaluated and exported."""
