"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905), in the order of Stable-Baselines3."""

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
from sparse_rl.agents.options import SACOptions
from sparse_rl.agents.policy import Policy, blend, weighted_mean
from sparse_rl.replay import Batch
from sparse_rl.sparsity.masks import Params


class SACState(NamedTuple):
    """`policy` is the actor; `critics` and `targets` are twins, with a leading axis of 2."""

    policy: Policy
    critics: Params
    critics_optimizer: optax.OptState
    targets: Params
    log_temperature: Float[Array, ""]
    temperature_optimizer: optax.OptState


@dataclass(frozen=True)
class SAC:
    """The algorithm over an actor and a critic network; actions are in [-1, 1]."""

    config: SACOptions
    actor: nn.Module
    critic: nn.Module
    observation: jax.ShapeDtypeStruct
    action_size: int

    def init(self, key: Key[Array, ""]) -> SACState:
        actor_key, first, second = jax.random.split(key, 3)
        observation = jnp.zeros((1, *self.observation.shape), self.observation.dtype)
        action = jnp.zeros((1, self.action_size))
        critics = jax.vmap(lambda k: self.critic.init(k, observation, action))(
            jnp.stack([first, second])
        )
        log_temperature = jnp.log(jnp.float32(self.config.initial_temperature))
        return SACState(
            policy=policies.init(self.actor.init(actor_key, observation), self._optimizer),
            critics=critics,
            critics_optimizer=self._optimizer.init(critics),
            targets=critics,
            log_temperature=log_temperature,
            temperature_optimizer=self._temperature_optimizer.init(log_temperature),
        )

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return policies.adam(config.learning_rate, config.adam_epsilon, config.weight_decay)

    @property
    def _temperature_optimizer(self) -> optax.GradientTransformation:
        return policies.adam(self.config.learning_rate, self.config.adam_epsilon, 0.0)

    def random_action(self, key: Key[Array, ""]) -> Float[Array, " action"]:
        return jax.random.uniform(key, (self.action_size,), minval=-1.0, maxval=1.0)

    def explore(
        self,
        state: SACState,
        observation: Num[Array, "*observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Float[Array, " action"]:
        return self.sample(state.policy.params, observation[None], key)[0][0]

    def act(
        self, params: Params, observation: Num[Array, "batch *observation"]
    ) -> Float[Array, "batch action"]:
        """tanh of the mean."""
        return jnp.tanh(self._gaussian(params, observation)[0])

    def _gaussian(
        self, params: Params, observation: Num[Array, "batch *observation"]
    ) -> tuple[Float[Array, "batch action"], Float[Array, "batch action"]]:
        """Mean and log standard deviation before the squashing."""
        outputs: Any = self.actor.apply(params, observation)
        return outputs

    def sample(
        self, params: Params, observation: Num[Array, "batch *observation"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch action"], Float[Array, " batch"]]:
        """a = tanh(u), u ~ N(mean, std), and log pi(a) = log N(u) - sum log(1 - tanh(u)^2).

        The last term is written as 2 (log 2 - u - softplus(-2 u)), which does not overflow
        (Haarnoja et al. 2018, appendix C).
        """
        mean, log_std = self._gaussian(params, observation)
        noise = jax.random.normal(key, mean.shape)
        raw = mean + jnp.exp(log_std) * noise
        gaussian = -0.5 * jnp.square(noise) - log_std - 0.5 * jnp.log(2.0 * jnp.pi)
        squash = 2.0 * (jnp.log(2.0) - raw - jax.nn.softplus(-2.0 * raw))
        return jnp.tanh(raw), jnp.sum(gaussian - squash, axis=-1)

    def _values(
        self,
        critics: Params,
        observation: Num[Array, "batch *observation"],
        action: Float[Array, "batch action"],
    ) -> Float[Array, "2 batch"]:
        twins: Any = jax.vmap(self.critic.apply, in_axes=(0, None, None))
        return twins(critics, observation, action)

    def update(
        self, state: SACState, batch: Batch, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> tuple[SACState, Metrics]:
        """Temperature, critics, actor, targets: in this order, all on the old temperature."""
        key_now, key_next = jax.random.split(key)
        temperature = jnp.exp(state.log_temperature)

        # Temperature: minimise -log(alpha) (log pi(a|s) + target entropy).
        def actor_terms(
            params: Params,
        ) -> tuple[Float[Array, "batch action"], Float[Array, " batch"]]:
            return self.sample(params, batch.observation, key_now)

        (action, log_prob), pull_back = jax.vjp(actor_terms, state.policy.params)
        entropy_gap = weighted_mean(log_prob, batch.weight) - self.action_size
        step, temperature_optimizer = self._temperature_optimizer.update(
            -entropy_gap, state.temperature_optimizer
        )
        log_temperature = optax.apply_updates(state.log_temperature, step)

        # Critics: 1/2 sum_i MSE(Q_i(s, a), r + discount (min Q_target(s', a') - alpha log pi)).
        next_action, next_log_prob = self.sample(
            state.policy.params, batch.next_observation, key_next
        )
        next_values = self._values(state.targets, batch.next_observation, next_action)
        soft_value = next_values.min(axis=0) - temperature * next_log_prob
        target = batch.reward + batch.discount * soft_value

        def critics_loss(critics: Params) -> Float[Array, ""]:
            error = self._values(critics, batch.observation, batch.action) - target
            return 0.5 * weighted_mean(jnp.square(error).sum(axis=0), batch.weight)

        loss, gradients = jax.value_and_grad(critics_loss)(state.critics)
        updates, critics_optimizer = self._optimizer.update(
            gradients, state.critics_optimizer, state.critics
        )
        critics = optax.apply_updates(state.critics, updates)

        # Actor: alpha log pi(a|s) - min Q(s, a), through the updated critics and the same action.
        def actor_loss(
            action: Float[Array, "batch action"], log_prob: Float[Array, " batch"]
        ) -> Float[Array, ""]:
            values = self._values(critics, batch.observation, action).min(axis=0)
            return weighted_mean(temperature * log_prob - values, batch.weight)

        actor_value, upstream = jax.value_and_grad(actor_loss, argnums=(0, 1))(action, log_prob)
        policy = state.policy.step(self._optimizer, pull_back(upstream)[0])

        new_state = SACState(
            policy=policy,
            critics=critics,
            critics_optimizer=critics_optimizer,
            targets=blend(critics, state.targets, self.config.tau),
            log_temperature=log_temperature,
            temperature_optimizer=temperature_optimizer,
        )
        metrics = {
            "critic_loss": loss,
            "actor_loss": actor_value,
            "temperature": temperature,
            "entropy": -weighted_mean(log_prob, batch.weight),
        }
        return new_state, metrics
