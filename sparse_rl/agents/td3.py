"""TD3 (Fujimoto et al. 2018, arXiv 1802.09477) and DDPG (Lillicrap et al. 2016, 1509.02971).

As in Stable-Baselines3, DDPG is TD3 with one critic, no delay and no noise on target actions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.agents import masked_network, normalization
from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.off_policy import OffPolicy, Rhythm
from sparse_rl.agents.options import TD3Options
from sparse_rl.agents.updates import adam, weighted_mean
from sparse_rl.architecture import (
    Dense,
    Network,
    critic_torso,
    observation_of,
    output_of,
    torso,
)
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts, of_precision
from sparse_rl.memory.replay import Batch, ReplayBuffer
from sparse_rl.networks import Critic, FlaxNetwork, values_of_each
from sparse_rl.spaces import Continuous, EnvSpec
from sparse_rl.sparsity.masks import Params


class TD3State(NamedTuple):
    """`policy` is the actor; `critics` and `targets` are stacked on a leading axis.

    `actor_metrics` are of the actor's last step: it takes none in most updates.
    """

    policy: MaskedNetwork
    critics: MaskedNetwork
    target_policy: Params
    targets: Params
    actor_metrics: Metrics
    statistics: Any = ()


@dataclass(frozen=True)
class TD3(OffPolicy):
    """The algorithm over an actor and critics; actions are in [-1, 1]."""

    config: TD3Options
    rhythm: Rhythm
    actor: FlaxNetwork
    critic: Critic
    observation: jax.ShapeDtypeStruct
    action_size: int
    sparse_critics: bool = False

    @property
    def prunable(self) -> dict[str, int]:
        critics = {"critics": self.config.critics} if self.sparse_critics else {}
        return {"policy": 0, **critics}

    @property
    def with_gradients(self) -> Iterable[str]:
        return ("critics",) if self.sparse_critics else ()

    @property
    def followers(self) -> dict[str, str]:
        targets = {"targets": "critics"} if self.sparse_critics else {}
        return {"target_policy": "policy", **targets}

    @property
    def policy_network(self) -> Network:
        return self.actor.network

    def init(self, key: Key[Array, ""]) -> TD3State:
        actor_key, *critic_keys = jax.random.split(key, 1 + self.config.critics)
        observation = jnp.zeros((1, *self.observation.shape), self.observation.dtype)
        action = jnp.zeros((1, self.action_size))
        actor = {"params": self.actor.init(actor_key, observation)["params"]}
        critics = jax.vmap(lambda k: self.critic.init(k, observation, action))(
            jnp.stack(critic_keys)
        )
        masked = masked_network.init if self.sparse_critics else masked_network.init_unmasked
        return TD3State(
            policy=masked_network.init(actor, self._optimizer),
            critics=masked(critics, self._optimizer),
            target_policy=actor,
            targets=critics,
            actor_metrics=dict.fromkeys(("actor_loss", "value", "gradient_norm"), jnp.zeros(())),
            statistics=self.fresh_statistics(self.observation),
        )

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return adam(config.learning_rate, config.adam_epsilon, config.weight_decay)

    def random_action(self, key: Key[Array, ""]) -> Float[Array, "environments action"]:
        shape = (self.environments, self.action_size)
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    def explore(
        self,
        state: TD3State,
        observation: Num[Array, "environments *observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> tuple[Float[Array, "environments action"], Any]:
        """The policy's actions with Gaussian noise."""
        action = self.act(self.variables(state), observation)
        noise = self.config.exploration_noise * jax.random.normal(key, action.shape)
        return jnp.clip(action + noise, -1.0, 1.0), self.intended(state, observation)

    def act(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Float[Array, "batch action"]:
        """tanh of the output."""
        outputs: Any = self.actor.apply(variables, observation)
        return jnp.tanh(outputs["action"])

    def target_action(
        self, state: TD3State, observation: Num[Array, "batch *observation"], key: Key[Array, ""]
    ) -> Float[Array, "batch action"]:
        """clip(mu'(s) + clip(noise, -c, c), -1, 1): smoothing (equation 14)."""
        variables = normalization.variables(state.target_policy, state.statistics)
        action = self.act(variables, observation)
        limit = self.config.target_noise_clip
        noise = self.config.target_noise * jax.random.normal(key, action.shape)
        return jnp.clip(action + jnp.clip(noise, -limit, limit), -1.0, 1.0)

    def update(
        self, state: TD3State, batch: Batch, key: Key[Array, ""], steps_before: Int[Array, ""]
    ) -> Learned:
        """Critics; then, at every `policy_delay`-th step, the actor and all targets."""
        # The actor normalizes its input itself, the critics are given theirs normalized.
        observation = normalization.apply(state.statistics, batch.observation)
        next_observation = normalization.apply(state.statistics, batch.next_observation)

        # Critics: sum_i MSE(Q_i(s, a), r + discount min Q_target(s', target action)).
        next_action = self.target_action(state, batch.next_observation, key)
        next_values = values_of_each(self.critic, state.targets, next_observation, next_action)
        target = batch.reward + batch.discount * next_values.min(axis=0)

        def critics_loss(params: Params) -> Float[Array, ""]:
            error = values_of_each(self.critic, params, observation, batch.action) - target
            return weighted_mean(jnp.square(error).sum(axis=0), batch.weight)

        loss, critic_gradients = jax.value_and_grad(critics_loss)(state.critics.params)
        critics = state.critics.step(self._optimizer, critic_gradients)

        def with_actor() -> tuple[MaskedNetwork, Params, Params, Metrics]:
            actor_loss, gradients = self._actor_slope(state, critics.params, batch)
            policy, tau = state.policy.step(self._optimizer, gradients), self.config.tau
            metrics = {
                "actor_loss": actor_loss,
                "value": -actor_loss,
                "gradient_norm": optax.global_norm(state.policy.learning(gradients)),
            }
            return (
                policy,
                optax.incremental_update(policy.params, state.target_policy, tau),
                optax.incremental_update(critics.params, state.targets, tau),
                metrics,
            )

        # The number of steps is not batched over members, so this stays a branch under vmap.
        policy, target_policy, targets, actor_metrics = jax.lax.cond(
            (steps_before + 1) % self.config.policy_delay == 0,
            with_actor,
            lambda: (state.policy, state.target_policy, state.targets, state.actor_metrics),
        )
        return Learned(
            TD3State(policy, critics, target_policy, targets, actor_metrics, state.statistics),
            {
                "critic_loss": loss,
                "critic_gradient_norm": optax.global_norm(state.critics.learning(critic_gradients)),
                **actor_metrics,
            },
            dict.fromkeys(self.with_gradients, critic_gradients),
        )

    def _actor_slope(
        self, state: TD3State, critics: Params, batch: Batch
    ) -> tuple[Float[Array, ""], Params]:
        """-mean Q_1(s, mu(s)) by the first of the critics, and its gradient by the actor."""
        observation = normalization.apply(state.statistics, batch.observation)
        first = jax.tree.map(lambda leaf: leaf[0], critics)

        def loss(params: Params) -> Float[Array, ""]:
            variables = normalization.variables(params, state.statistics)
            action = self.act(variables, batch.observation)
            values: Any = self.critic.apply(first, observation, action)
            return -weighted_mean(values, batch.weight)

        return jax.value_and_grad(loss)(state.policy.params)

    def policy_gradient(
        self, state: TD3State, memory: ReplayBuffer, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> Params:
        """Of the actor's loss on a batch of its own."""
        batch = self.sample(memory, key, clock)
        return self._actor_slope(state, state.critics.params, batch)[1]


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> TD3:
    """TD3 or DDPG with the configured networks; the actor multiplies with `dots`.

    Raises `ConfigError` where observations of this kind are not normalized.
    """
    assert isinstance(config.agent, TD3Options) and isinstance(spec.action, Continuous)
    observation = observation_of(spec)
    size = len(spec.action.low)
    operations = torso(config.network, observation)
    layers = critic_torso(config.network, observation, config.agent.critic_layer_norm)
    actor = Network(observation, operations, (Dense("action", size),), output_of(spec))
    return TD3(
        config=config.agent,
        rhythm=Rhythm.of(config, spec),
        actor=FlaxNetwork(actor, dots),
        critic=Critic(observation, layers, of_precision(config.training.precision)),
        observation=jax.ShapeDtypeStruct(spec.policy_shape, spec.observation_dtype),
        action_size=size,
        sparse_critics=config.sparsity.prunes_critics,
    )
