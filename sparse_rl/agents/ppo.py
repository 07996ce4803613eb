"""Proximal policy optimization (Schulman et al. 2017, arXiv 1707.06347), clipped, as in SB3."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.distributions import Distribution
from sparse_rl.agents.on_policy import OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import PPOOptions
from sparse_rl.agents.policy_gradient import PolicyGradient
from sparse_rl.agents.rollout_agent import shuffled
from sparse_rl.agents.updates import adam, weighted_mean
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.spaces import EnvSpec
from sparse_rl.sparsity.masks import Params


@dataclass(frozen=True)
class PPO(PolicyGradient):
    """The algorithm over a policy and a value network of its own."""

    config: PPOOptions

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, self.config.adam_epsilon, 0.0)

    def learn(
        self,
        state: OnPolicyState,
        memory: ReplayBuffer,
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Learned:
        """`epochs` passes over the rollout in batches; the metrics are means over all of them."""
        now = self.at(clock)
        after, rollout = self.collected(state, memory, clock)
        batches = shuffled(
            jax.random.fold_in(key, clock),
            rollout.weight.shape[0],
            self.config.epochs,
            self.config.batch_size,
        )

        def gradient_step(
            carry: tuple[OnPolicyState, dict[str, Params]], rows: Int[Array, " batch"]
        ) -> tuple[tuple[OnPolicyState, dict[str, Params]], Metrics]:
            batch = jax.tree.map(lambda leaf: leaf[rows], rollout)
            learned = now.update(carry[0], batch)
            return (learned.state, learned.gradients), learned.metrics

        networks = {name: getattr(state, name).params for name in self.prunable}
        first = (state, jax.tree.map(jnp.zeros_like, networks))
        (last, gradients), metrics = jax.lax.scan(gradient_step, first, batches)
        learned = last._replace(statistics=after.statistics, returns=after.returns)
        return Learned(learned, jax.tree.map(jnp.mean, metrics), gradients)

    def policy_loss(
        self, distribution: Distribution, batch: Steps, advantage: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], Metrics]:
        """-mean(min(r A, clip(r, 1 - epsilon, 1 + epsilon) A)), r = pi(a | s) / pi_old(a | s).

        Equation 7; with the value and the entropy equation 9.
        """
        log_ratio = distribution.log_prob(batch.action) - batch.log_prob
        ratio = jnp.exp(log_ratio)
        clipped = jnp.clip(ratio, 1.0 - self.config.clip, 1.0 + self.config.clip)
        gain = jnp.minimum(ratio * advantage, clipped * advantage)
        metrics = {
            "clipped_share": weighted_mean((clipped != ratio).astype(float), batch.weight),
            # An estimate of KL(old, new) without bias and with little variance (Schulman 2020).
            "kl": weighted_mean(ratio - 1.0 - log_ratio, batch.weight),
        }
        return -weighted_mean(gain, batch.weight), metrics


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> PPO:
    """PPO with the configured networks; see `OnPolicy.of`."""
    return PPO.of(config, spec, dots)
