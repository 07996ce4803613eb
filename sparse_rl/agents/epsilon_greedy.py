"""What agents with a Q network share: they act by its largest value, and at random now and then."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.agents import normalization
from sparse_rl.agents.updates import linear
from sparse_rl.architecture import Network
from sparse_rl.networks import QNetwork
from sparse_rl.sparsity.masks import Params


class Exploration(Protocol):
    """The options that say how often an action is random."""

    @property
    def exploration_first(self) -> float: ...
    @property
    def exploration_last(self) -> float: ...


class EpsilonGreedy:
    """Functions of `Agent` for a subclass whose actions are 0 ... actions - 1.

    Its state has the fields `policy`, the Q network, and `statistics` of the observations.
    """

    config: Exploration
    network: QNetwork
    actions: int
    exploration_steps: int

    def variables(self, state: Any) -> Params:
        return normalization.variables(state.policy.params, state.statistics)

    @property
    def policy_network(self) -> Network:
        return self.network.network

    def epsilon(self, clock: Int[Array, ""]) -> Float[Array, ""]:
        """Falls linearly from first to last over `exploration_steps`, then stays."""
        first, last = self.config.exploration_first, self.config.exploration_last
        return linear(first, last, self.exploration_steps, clock)

    def explore(
        self,
        state: Any,
        observation: Num[Array, "environments *observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> tuple[Int[Array, " environments"], tuple[()]]:
        """Epsilon-greedy."""
        chance_key, action_key = jax.random.split(key)
        greedy = self.act(self.variables(state), observation)
        is_random = jax.random.uniform(chance_key, greedy.shape) < self.epsilon(clock)
        drawn = jax.random.randint(action_key, greedy.shape, 0, self.actions)
        return jnp.where(is_random, drawn, greedy), ()

    def values(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Float[Array, "batch actions"]:
        """Q(s, .)."""
        values: Any = self.network.apply(variables, observation)
        return values

    def act(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Int[Array, " batch"]:
        """The action of the largest value."""
        return jnp.argmax(self.values(variables, observation), axis=-1).astype(jnp.int32)
