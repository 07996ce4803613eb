"""REINFORCE with a learned baseline (Williams 1992; Sutton and Barto 2018, section 13.4)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import optax
from jaxtyping import Array, Float

from sparse_rl.agents.agent import Metrics
from sparse_rl.agents.on_policy import OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import ReinforceOptions
from sparse_rl.agents.updates import adam, weighted_mean
from sparse_rl.agents.value_regression import PolicyStep, ValueRegression
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.spaces import EnvSpec
from sparse_rl.sparsity.masks import Params


@dataclass(frozen=True)
class Reinforce(ValueRegression):
    """The algorithm over a policy and a baseline, a value network of its own.

    A batch is a rollout: T steps of E environments. The return of step t is that to the end of its
    episode, G_t = r_t + discount r_{t+1} + ..., and exact where the episode ends within the
    rollout. Where the rollout cuts it, or a time limit, what follows is replaced by the baseline of
    the last observation. To leave those episodes out instead would favour short ones.
    """

    config: ReinforceOptions

    @property
    def _policy_optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return adam(self.learning_rate, config.adam_epsilon, 0.0, config.gradient_clip)

    def policy_step(self, state: OnPolicyState, batch: Steps) -> PolicyStep:
        """One gradient step on -mean(log pi(a | s) (G - V(s))) - c_h H, with H the mean entropy."""
        advantage = self.scaled_advantage(batch)

        def loss(params: Params) -> tuple[Float[Array, ""], Metrics]:
            policy = self.distribution(params, state.statistics, batch.observation)
            score = policy.log_prob(batch.action) * advantage
            policy_loss = -weighted_mean(score, batch.weight)
            entropy = weighted_mean(policy.entropy(), batch.weight)
            total = policy_loss - self.config.entropy_coefficient * entropy
            return total, {"policy_loss": policy_loss, "entropy": entropy}

        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.policy.params)
        policy = state.policy.step(self._policy_optimizer, gradients)
        return PolicyStep(policy, metrics, gradients)


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> Reinforce:
    """REINFORCE with the configured networks; see `OnPolicy.of`."""
    return Reinforce.of(config, spec, dots)
