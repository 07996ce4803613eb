"""What PPO and A2C share: one loss of a policy and a value, and one optimizer step on both."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.distributions import Distribution
from sparse_rl.agents.on_policy import OnPolicy, OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import OnPolicyOptions
from sparse_rl.agents.updates import weighted_mean
from sparse_rl.sparsity.masks import Params


class PolicyGradient(OnPolicy):
    """Functions of `OnPolicy` for a subclass that has `learn`, `_optimizer` and `policy_loss`."""

    config: OnPolicyOptions

    def policy_loss(
        self, distribution: Distribution, batch: Steps, advantage: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], Metrics]:
        """What the policy minimizes, and what else is known of it."""
        raise NotImplementedError

    def update(self, state: OnPolicyState, batch: Steps) -> Learned:
        """One gradient step on both networks: policy's loss + c_v mean((target - V(s))^2) - c_h H.

        H is the mean entropy.
        """
        config = self.config
        advantage = self.scaled_advantage(batch)

        def loss(policy: Params, value: Params) -> tuple[Float[Array, ""], Metrics]:
            distribution = self.distribution(policy, state.statistics, batch.observation)
            policy_loss, others = self.policy_loss(distribution, batch, advantage)
            error = batch.target - self.values(value, state.statistics, batch.observation)
            value_loss = weighted_mean(jnp.square(error), batch.weight)
            entropy = weighted_mean(distribution.entropy(), batch.weight)
            total = (
                policy_loss
                + config.value_coefficient * value_loss
                - config.entropy_coefficient * entropy
            )
            known = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}
            return total, known | others

        (_, metrics), (policy, value) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
            state.policy.params, state.value.params
        )
        # That by which `step` clips, which is computed but once.
        learning = (state.policy.learning(policy), state.value.learning(value))
        metrics["gradient_norm"] = optax.global_norm(learning)
        every = {"policy": policy, "value": value}
        gradients = {name: every[name] for name in self.prunable}
        return Learned(self.step(state, policy, value), metrics, gradients)

    def step(
        self, state: OnPolicyState, policy_gradients: Params, value_gradients: Params
    ) -> OnPolicyState:
        """One optimizer step on both networks, their gradients clipped by one norm of both."""
        learning = (
            state.policy.learning(policy_gradients),
            state.value.learning(value_gradients),
        )
        clip = optax.clip_by_global_norm(self.config.gradient_clip)
        (policy, value), _ = clip.update(learning, clip.init(learning))
        return state._replace(
            policy=state.policy.step(self._optimizer, policy),
            value=state.value.step(self._optimizer, value),
        )
