"""Proximal policy optimization (Schulman et al. 2017, arXiv 1707.06347), clipped, as in SB3."""

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
from sparse_rl.agents.on_policy_options import PPOOptions
from sparse_rl.agents.updates import adam, standardized, weighted_mean
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.spaces import EnvSpec
from sparse_rl.sparsity.masks import Params


@dataclass(frozen=True)
class PPO(OnPolicy):
    """The algorithm over a policy and a value network of its own."""

    config: PPOOptions

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return adam(self.config.learning_rate, self.config.adam_epsilon, 0.0)

    def learn(
        self,
        state: OnPolicyState,
        memory: ReplayBuffer,
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Learned:
        """`epochs` passes over the rollout in batches; the metrics are means over all of them."""
        after, rollout = self.collected(state, memory, clock)
        count = rollout.weight.shape[0]
        keys = jax.random.split(jax.random.fold_in(key, clock), self.config.epochs)
        order = jax.vmap(lambda key: jax.random.permutation(key, count))(keys)
        batches = order.reshape(-1, self.config.batch_size)

        def gradient_step(
            carry: tuple[OnPolicyState, dict[str, Params]], rows: Int[Array, " batch"]
        ) -> tuple[tuple[OnPolicyState, dict[str, Params]], Metrics]:
            batch = jax.tree.map(lambda leaf: leaf[rows], rollout)
            learned = self.update(carry[0], batch)
            return (learned.state, learned.gradients), learned.metrics

        networks = {name: getattr(state, name).params for name in self.prunable}
        first = (state, jax.tree.map(jnp.zeros_like, networks))
        (last, gradients), metrics = jax.lax.scan(gradient_step, first, batches)
        learned = last._replace(statistics=after.statistics, returns=after.returns)
        return Learned(learned, jax.tree.map(jnp.mean, metrics), gradients)

    def update(self, state: OnPolicyState, batch: Steps) -> Learned:
        """One gradient step on both networks (equations 7 and 9), with A standardized.

        r = pi(a | s) / pi_old(a | s)
        L = -mean(min(r A, clip(r, 1 - epsilon, 1 + epsilon) A)) + c_v mean((target - V(s))^2)
            - c_h mean(entropy)
        """
        config = self.config
        advantage = batch.advantage
        if config.normalize_advantages:
            advantage = standardized(advantage, batch.weight)

        def loss(policy: Params, value: Params) -> tuple[Float[Array, ""], Metrics]:
            distribution = self.distribution(policy, state.statistics, batch.observation)
            log_ratio = distribution.log_prob(batch.action) - batch.log_prob
            ratio = jnp.exp(log_ratio)
            clipped = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
            gain = jnp.minimum(ratio * advantage, clipped * advantage)
            error = batch.target - self.values(value, state.statistics, batch.observation)
            metrics = {
                "policy_loss": -weighted_mean(gain, batch.weight),
                "value_loss": weighted_mean(jnp.square(error), batch.weight),
                "entropy": weighted_mean(distribution.entropy(), batch.weight),
                "clipped_share": weighted_mean((clipped != ratio).astype(float), batch.weight),
                # An estimate of KL(old, new) without bias and with little variance (Schulman 2020).
                "kl": weighted_mean(ratio - 1.0 - log_ratio, batch.weight),
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


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> PPO:
    """PPO with the configured networks; the policy multiplies with `dots`.

    Raises `ConfigError` where observations of this kind are not normalized.
    """
    assert isinstance(config.agent, PPOOptions)
    normalization.check(config, spec)
    actor, critic = actor_and_critic(config, spec, dots)
    return PPO(
        config=config.agent,
        environments=config.training.environments,
        actor=actor,
        critic=critic,
        spec=spec,
        normalize=config.network.normalize,
        sparse_value=any(level > 0 for level in config.sparsity.critic_levels),
    )
