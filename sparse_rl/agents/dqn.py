"""Deep Q-learning (Mnih et al. 2015), with the semantics of Stable-Baselines3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.agents import policy as policies
from sparse_rl.agents.agent import Metrics
from sparse_rl.agents.options import DQNOptions
from sparse_rl.agents.policy import Policy, blend, weighted_mean
from sparse_rl.replay import Batch
from sparse_rl.sparsity.masks import Params


class DQNState(NamedTuple):
    """`policy` is the Q network, `target` the parameters of its slower copy."""

    policy: Policy
    target: Params


@dataclass(frozen=True)
class DQN:
    """The algorithm over a Q network; actions are 0 ... actions - 1."""

    config: DQNOptions
    network: nn.Module
    observation: jax.ShapeDtypeStruct
    actions: int
    exploration_steps: int

    def init(self, key: Key[Array, ""]) -> DQNState:
        observation = jnp.zeros((1, *self.observation.shape), self.observation.dtype)
        params = self.network.init(key, observation)
        return DQNState(policies.init(params, self._optimizer), target=params)

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return policies.adam(
            config.learning_rate, config.adam_epsilon, config.weight_decay, config.gradient_clip
        )

    def random_action(self, key: Key[Array, ""]) -> Int[Array, ""]:
        return jax.random.randint(key, (), 0, self.actions)

    def epsilon(self, clock: Int[Array, ""]) -> Float[Array, ""]:
        """Falls linearly from first to last over `exploration_steps`, then stays."""
        first, last = self.config.exploration_first, self.config.exploration_last
        share = jnp.minimum(clock / max(self.exploration_steps, 1), 1.0)
        return first + share * (last - first)

    def explore(
        self,
        state: DQNState,
        observation: Num[Array, "*observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Int[Array, ""]:
        """Epsilon-greedy."""
        coin_key, action_key = jax.random.split(key)
        greedy = self.act(state.policy.params, observation[None])[0]
        coin = jax.random.uniform(coin_key) < self.epsilon(clock)
        return jnp.where(coin, self.random_action(action_key), greedy)

    def values(
        self, params: Params, observation: Num[Array, "batch *observation"]
    ) -> Float[Array, "batch actions"]:
        """Q(s, .)."""
        values: Any = self.network.apply(params, observation)
        return values

    def act(
        self, params: Params, observation: Num[Array, "batch *observation"]
    ) -> Int[Array, " batch"]:
        """The action of the largest value."""
        return jnp.argmax(self.values(params, observation), axis=-1).astype(jnp.int32)

    def update(
        self, state: DQNState, batch: Batch, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> tuple[DQNState, Metrics]:
        """Target first, if it is due; then one step on the Huber loss with delta 1."""
        # The clock is not batched over members, so this stays a branch under vmap.
        target_params = jax.lax.cond(
            clock % self.config.target_interval == 0,
            lambda: blend(state.policy.params, state.target, self.config.tau),
            lambda: state.target,
        )
        next_values = self.values(target_params, batch.next_observation)
        if self.config.double:
            next_action = self.act(state.policy.params, batch.next_observation)
            next_value = jnp.take_along_axis(next_values, next_action[:, None], axis=1)[:, 0]
        else:
            next_value = next_values.max(axis=1)
        target = batch.reward + batch.discount * next_value

        def loss_and_value(params: Params) -> tuple[Float[Array, ""], Float[Array, ""]]:
            values = self.values(params, batch.observation)
            value = jnp.take_along_axis(values, batch.action[:, None], axis=1)[:, 0]
            loss = weighted_mean(optax.huber_loss(value, target), batch.weight)
            return loss, weighted_mean(value, batch.weight)

        (loss, value), gradients = jax.value_and_grad(loss_and_value, has_aux=True)(
            state.policy.params
        )
        policy = state.policy.step(self._optimizer, gradients)
        return DQNState(policy, target_params), {"loss": loss, "value": value}
