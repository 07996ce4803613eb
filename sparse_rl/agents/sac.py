"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905), in the order of Stable-Baselines3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.agents import masked_network, normalization
from sparse_rl.agents.agent import Learned
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.off_policy import OffPolicy, Rhythm
from sparse_rl.agents.options import SACOptions
from sparse_rl.agents.updates import adam, weighted_mean
from sparse_rl.architecture import Network, critic_torso, policy_network
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts, of_precision
from sparse_rl.memory.replay import Batch
from sparse_rl.networks import Critic, GaussianActor, values_of_each
from sparse_rl.spaces import Continuous, EnvSpec
from sparse_rl.sparsity.masks import Params


class SACState(NamedTuple):
    """`policy` is the actor; `critics` and `targets` are twins, with a leading axis of 2."""

    policy: MaskedNetwork
    critics: MaskedNetwork
    targets: Params
    log_temperature: Float[Array, ""]
    temperature_optimizer: optax.OptState
    statistics: Any = ()


@dataclass(frozen=True)
class SAC(OffPolicy):
    """The algorithm over an actor and a critic network; actions are in [-1, 1]."""

    config: SACOptions
    rhythm: Rhythm
    actor: GaussianActor
    critic: Critic
    observation: jax.ShapeDtypeStruct
    action_size: int
    sparse_critics: bool = False

    @property
    def prunable(self) -> dict[str, int]:
        return {"policy": 0, "critics": 2} if self.sparse_critics else {"policy": 0}

    @property
    def followers(self) -> dict[str, str]:
        return {"targets": "critics"} if self.sparse_critics else {}

    @property
    def policy_network(self) -> Network:
        return self.actor.network

    def init(self, key: Key[Array, ""]) -> SACState:
        actor_key, first, second = jax.random.split(key, 3)
        observation = jnp.zeros((1, *self.observation.shape), self.observation.dtype)
        action = jnp.zeros((1, self.action_size))
        critics = jax.vmap(lambda k: self.critic.init(k, observation, action))(
            jnp.stack([first, second])
        )
        log_temperature = jnp.log(jnp.float32(self.config.initial_temperature))
        masked = masked_network.init if self.sparse_critics else masked_network.init_unmasked
        actor = {"params": self.actor.init(actor_key, observation)["params"]}
        return SACState(
            policy=masked_network.init(actor, self._optimizer),
            critics=masked(critics, self._optimizer),
            targets=critics,
            log_temperature=log_temperature,
            temperature_optimizer=self._temperature_optimizer.init(log_temperature),
            statistics=self.fresh_statistics(self.observation),
        )

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return adam(config.learning_rate, config.adam_epsilon, config.weight_decay)

    @property
    def _temperature_optimizer(self) -> optax.GradientTransformation:
        return adam(self.config.learning_rate, self.config.adam_epsilon, 0.0)

    def random_action(self, key: Key[Array, ""]) -> Float[Array, "environments action"]:
        shape = (self.environments, self.action_size)
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    def explore(
        self,
        state: SACState,
        observation: Num[Array, "environments *observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> tuple[Float[Array, "environments action"], Any]:
        action, _ = self.draw(self.variables(state), observation, key)
        return action, self.intended(state, observation)

    def act(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Float[Array, "batch action"]:
        """tanh of the mean."""
        return jnp.tanh(self._gaussian(variables, observation)[0])

    def _gaussian(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> tuple[Float[Array, "batch action"], Float[Array, "batch action"]]:
        """Mean and log standard deviation before the squashing."""
        outputs: Any = self.actor.apply(variables, observation)
        return outputs

    def draw(
        self, variables: Params, observation: Num[Array, "batch *observation"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch action"], Float[Array, " batch"]]:
        """a = tanh(u), u ~ N(mean, std), and log pi(a) = log N(u) - sum log(1 - tanh(u)^2).

        The last term is written as 2 (log 2 - u - softplus(-2 u)), which does not overflow
        (Haarnoja et al. 2018, appendix C).
        """
        mean, log_std = self._gaussian(variables, observation)
        noise = jax.random.normal(key, mean.shape)
        raw = mean + jnp.exp(log_std) * noise
        gaussian = -0.5 * jnp.square(noise) - log_std - 0.5 * jnp.log(2.0 * jnp.pi)
        squash = 2.0 * (jnp.log(2.0) - raw - jax.nn.softplus(-2.0 * raw))
        return jnp.tanh(raw), jnp.sum(gaussian - squash, axis=-1)

    def update(
        self, state: SACState, batch: Batch, key: Key[Array, ""], steps_before: Int[Array, ""]
    ) -> Learned:
        """Temperature, critics, actor, targets: in this order, all on the old temperature."""
        key_now, key_next = jax.random.split(key)
        temperature = jnp.exp(state.log_temperature)
        # The actor normalizes its input itself, the critics are given theirs normalized.
        observation = normalization.apply(state.statistics, batch.observation)
        next_observation = normalization.apply(state.statistics, batch.next_observation)

        # Temperature: minimise -log(alpha) (log pi(a|s) + target entropy).
        def actor_terms(
            params: Params,
        ) -> tuple[Float[Array, "batch action"], Float[Array, " batch"]]:
            variables = normalization.variables(params, state.statistics)
            return self.draw(variables, batch.observation, key_now)

        (action, log_prob), pull_back = jax.vjp(actor_terms, state.policy.params)
        entropy_gap = weighted_mean(log_prob - self.action_size, batch.weight)
        step, temperature_optimizer = self._temperature_optimizer.update(
            -entropy_gap, state.temperature_optimizer
        )
        log_temperature = optax.apply_updates(state.log_temperature, step)

        # Critics: 1/2 sum_i MSE(Q_i(s, a), r + discount (min Q_target(s', a') - alpha log pi)).
        next_action, next_log_prob = self.draw(
            self.variables(state), batch.next_observation, key_next
        )
        next_values = values_of_each(self.critic, state.targets, next_observation, next_action)
        soft_value = next_values.min(axis=0) - temperature * next_log_prob
        target = batch.reward + batch.discount * soft_value

        def critics_loss(params: Params) -> Float[Array, ""]:
            error = values_of_each(self.critic, params, observation, batch.action) - target
            return 0.5 * weighted_mean(jnp.square(error).sum(axis=0), batch.weight)

        loss, critic_gradients = jax.value_and_grad(critics_loss)(state.critics.params)
        critics = state.critics.step(self._optimizer, critic_gradients)

        # Actor: alpha log pi(a|s) - min Q(s, a), through the updated critics and the same action.
        def actor_loss(
            action: Float[Array, "batch action"], log_prob: Float[Array, " batch"]
        ) -> Float[Array, ""]:
            values = values_of_each(self.critic, critics.params, observation, action).min(axis=0)
            return weighted_mean(temperature * log_prob - values, batch.weight)

        actor_value, upstream = jax.value_and_grad(actor_loss, argnums=(0, 1))(action, log_prob)
        (gradients,) = pull_back(upstream)

        new_state = SACState(
            policy=state.policy.step(self._optimizer, gradients),
            critics=critics,
            targets=optax.incremental_update(critics.params, state.targets, self.config.tau),
            log_temperature=log_temperature,
            temperature_optimizer=temperature_optimizer,
            statistics=state.statistics,
        )
        metrics = {
            "critic_loss": loss,
            "actor_loss": actor_value,
            # The lesser of the critics' values at the actor's actions, as its loss has it.
            "value": temperature * weighted_mean(log_prob, batch.weight) - actor_value,
            "temperature": temperature,
            "entropy": -weighted_mean(log_prob, batch.weight),
            "gradient_norm": optax.global_norm(state.policy.learning(gradients)),
            "critic_gradient_norm": optax.global_norm(state.critics.learning(critic_gradients)),
        }
        networks = {"policy": gradients, "critics": critic_gradients}
        return Learned(new_state, metrics, {name: networks[name] for name in self.prunable})


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> SAC:
    """SAC with the configured networks; the actor multiplies with `dots`, the critics in float32.

    Raises `ConfigError` where observations of this kind are not normalized.
    """
    assert isinstance(config.agent, SACOptions) and isinstance(spec.action, Continuous)
    size = len(spec.action.low)
    network = policy_network(config.network, spec)
    layers = critic_torso(config.network, network.observation, config.agent.critic_layer_norm)
    return SAC(
        config=config.agent,
        rhythm=Rhythm.of(config, spec),
        actor=GaussianActor(network, dots),
        critic=Critic(network.observation, layers, of_precision(config.training.precision)),
        observation=jax.ShapeDtypeStruct(spec.policy_shape, spec.observation_dtype),
        action_size=size,
        sparse_critics=config.sparsity.prunes_critics,
    )
