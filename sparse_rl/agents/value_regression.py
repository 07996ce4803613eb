"""What TRPO and REINFORCE share: one step of the policy, then regressions of the value."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.on_policy import OnPolicy, OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import ReinforceOptions, TRPOOptions
from sparse_rl.agents.rollout_agent import shuffled
from sparse_rl.agents.updates import adam, weighted_mean
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.sparsity.masks import Params


class PolicyStep(NamedTuple):
    """A policy after its step, what is known of it, and the dense gradient of its loss."""

    policy: MaskedNetwork
    metrics: Metrics
    gradients: Params


class ValueRegression(OnPolicy):
    """Functions of `OnPolicy` for a subclass that has `policy_step` and `_policy_optimizer`."""

    config: TRPOOptions | ReinforceOptions

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, self.config.adam_epsilon, 0.0)

    def policy_step(self, state: OnPolicyState, batch: Steps) -> PolicyStep:
        """The policy's one step on the whole rollout."""
        raise NotImplementedError

    def learn(
        self,
        state: OnPolicyState,
        memory: ReplayBuffer,
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> Learned:
        """The policy's step by the values that there were; then the values' regressions."""
        now = self.at(clock)
        after, batch = self.collected(state, memory, clock)
        policy_key, value_key = jax.random.split(jax.random.fold_in(key, clock))
        moved = now.policy_step(state, self.part(batch, policy_key))
        value, value_loss, value_gradients = now.regression(state, batch, value_key)
        gradients = {"policy": moved.gradients, "value": value_gradients}
        return Learned(
            after._replace(policy=moved.policy, value=value),
            {**moved.metrics, "value_loss": value_loss},
            {name: gradients[name] for name in self.prunable},
        )

    def part(self, batch: Steps, key: Key[Array, ""]) -> Steps:
        """The steps that the policy learns from: all of them."""
        return batch

    def regression(
        self, state: OnPolicyState, batch: Steps, key: Key[Array, ""]
    ) -> tuple[MaskedNetwork, Float[Array, ""], Params]:
        """Adam on mean((target - V(s))^2): `value_epochs` passes in batches.

        The value network after it, the mean loss, and the gradient of the last batch.
        """
        config = self.config
        rows = batch.weight.shape[0]

        def gradient_step(
            carry: tuple[MaskedNetwork, Params], chosen: Int[Array, " batch"]
        ) -> tuple[tuple[MaskedNetwork, Params], Float[Array, ""]]:
            value, _ = carry
            part = jax.tree.map(lambda leaf: leaf[chosen], batch)

            def loss(params: Params) -> Float[Array, ""]:
                error = part.target - self.values(params, state.statistics, part.observation)
                return weighted_mean(jnp.square(error), part.weight)

            found, gradients = jax.value_and_grad(loss)(value.params)
            return (value.step(self._optimizer, gradients), gradients), found

        first = (state.value, jax.tree.map(jnp.zeros_like, state.value.params))
        batches = shuffled(key, rows, config.value_epochs, config.batch_size)
        (value, gradients), losses = jax.lax.scan(gradient_step, first, batches)
        return value, losses.mean(), gradients
