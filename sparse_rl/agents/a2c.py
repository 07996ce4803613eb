"""Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), synchronous, as in SB3."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from sparse_rl.agents import normalization
from sparse_rl.agents.actor_critic import actor_and_critic
from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.on_policy import OnPolicy, OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import A2COptions
from sparse_rl.agents.updates import standardized, weighted_mean
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.spaces import EnvSpec
from sparse_rl.sparsity.masks import Params


@dataclass(frozen=True)
class A2C(OnPolicy):
    """The algorithm over a policy and a value network of its own."""

    config: A2COptions

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return optax.rmsprop(
            config.learning_rate,
            decay=config.rms_decay,
            eps=config.rms_epsilon,
            eps_in_sqrt=False,
        )

    def learn(
        self,
        state: OnPolicyState,
        memory: ReplayBuffer,
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Learned:
        """One gradient step on the whole rollout."""
        after, rollout = self.collected(state, memory, clock)
        learned = self.update(state, rollout)
        new = learned.state._replace(statistics=after.statistics, returns=after.returns)
        return learned._replace(state=new)

    def update(self, state: OnPolicyState, batch: Steps) -> Learned:
        """L = -mean(log pi(a | s) A) + c_v mean((target - V(s))^2) - c_h mean(entropy)."""
        config = self.config
        advantage = batch.advantage
        if config.normalize_advantages:
            advantage = standardized(advantage, batch.weight)

        def loss(policy: Params, value: Params) -> tuple[Float[Array, ""], Metrics]:
            distribution = self.distribution(policy, state.statistics, batch.observation)
            log_prob = distribution.log_prob(batch.action)
            error = batch.target - self.values(value, state.statistics, batch.observation)
            metrics = {
                "policy_loss": -weighted_mean(log_prob * advantage, batch.weight),
                "value_loss": weighted_mean(jnp.square(error), batch.weight),
                "entropy": weighted_mean(distribution.entropy(), batch.weight),
            }
            total = (
                metrics["policy_loss"]
                + config.value_coefficient * metrics["value_loss"]
                - config.entropy_coefficient * metrics["entropy"]
            )
            return total, metrics

        (_, metrics), (policy, value) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
            state.policy.params, state.value.params
        )
        every = {"policy": policy, "value": value}
        gradients = {name: every[name] for name in self.prunable}
        return Learned(self.step(state, policy, value), metrics, gradients)


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> A2C:
    """A2C with the configured networks; the policy multiplies with `dots`.

    Raises `ConfigError` where observations of this kind are not normalized.
    """
    assert isinstance(config.agent, A2COptions)
    normalization.check(config, spec)
    actor, critic = actor_and_critic(config, spec, dots)
    return A2C(
        config=config.agent,
        environments=config.training.environments,
        actor=actor,
        critic=critic,
        spec=spec,
        normalize=config.network.normalize,
        sparse_value=any(level > 0 for level in config.sparsity.critic_levels),
    )
