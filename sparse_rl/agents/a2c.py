"""Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), synchronous, as in SB3."""

from __future__ import annotations

from dataclasses import dataclass

import optax
from jaxtyping import Array, Float, Int, Key

from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.distributions import Distribution
from sparse_rl.agents.on_policy import OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import A2COptions
from sparse_rl.agents.policy_gradient import PolicyGradient
from sparse_rl.agents.updates import weighted_mean
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.spaces import EnvSpec


@dataclass(frozen=True)
class A2C(PolicyGradient):
    """The algorithm over a policy and a value network of its own."""

    config: A2COptions

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return optax.rmsprop(
            self.learning_rate,
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
        learned = self.at(clock).update(state, rollout)
        new = learned.state._replace(statistics=after.statistics, returns=after.returns)
        return learned._replace(state=new)

    def policy_loss(
        self, distribution: Distribution, batch: Steps, advantage: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], Metrics]:
        """-mean(log pi(a | s) A)."""
        log_prob = distribution.log_prob(batch.action)
        return -weighted_mean(log_prob * advantage, batch.weight), {}


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> A2C:
    """A2C with the configured networks; see `OnPolicy.of`."""
    return A2C.of(config, spec, dots)
