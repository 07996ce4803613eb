"""Deep Q-learning (Mnih et al. 2015), with the semantics of Stable-Baselines3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from sparse_rl.agents import masked_network, normalization
from sparse_rl.agents.agent import Learned
from sparse_rl.agents.epsilon_greedy import EpsilonGreedy
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.off_policy import OffPolicy, Rhythm
from sparse_rl.agents.options import DQNOptions
from sparse_rl.agents.updates import adam, weighted_mean
from sparse_rl.architecture import policy_network
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory.replay import Batch, ReplayBuffer
from sparse_rl.networks import QNetwork
from sparse_rl.spaces import Discrete, EnvSpec
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Params


class DQNState(NamedTuple):
    """`policy` is the Q network, `target` the parameters of its slower copy."""

    policy: MaskedNetwork
    target: Params
    statistics: Any = ()


@dataclass(frozen=True)
class DQN(EpsilonGreedy, OffPolicy):
    """The algorithm over a Q network.

    The target stays what it was at its last turn: weights that were pruned since go from it at
    the next. A network that is sparse from its first step begins with a target that is, too.
    """

    config: DQNOptions
    rhythm: Rhythm
    network: QNetwork
    observation: jax.ShapeDtypeStruct
    actions: int
    exploration_steps: int

    def init(self, key: Key[Array, ""]) -> DQNState:
        observation = jnp.zeros((1, *self.observation.shape), self.observation.dtype)
        params = {"params": self.network.init(key, observation)["params"]}
        policy = masked_network.init(params, self._optimizer)
        return DQNState(policy, params, self.fresh_statistics(self.observation))

    @property
    def copies(self) -> dict[str, str]:
        return {"target": "policy"}

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        return adam(
            config.learning_rate, config.adam_epsilon, config.weight_decay, config.gradient_clip
        )

    def random_action(self, key: Key[Array, ""]) -> Int[Array, " environments"]:
        return jax.random.randint(key, (self.environments,), 0, self.actions)

    def learn(
        self, state: DQNState, memory: ReplayBuffer, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> Learned:
        """The target first, if it is due; then the gradient steps, all towards the same one."""
        return super().learn(self.with_target(state, key, clock), memory, key, clock)

    def with_target(self, state: DQNState, key: Key[Array, ""], clock: Int[Array, ""]) -> DQNState:
        """The state after the target's turn, every `target_interval` environment steps.

        The key is that of the update; nothing is drawn from it here.
        """
        # The clock is not batched over members, so this stays a branch under vmap.
        target = jax.lax.cond(
            clock % self.config.target_interval == 0,
            lambda: self.nearer(state.policy, state.target),
            lambda: state.target,
        )
        return state._replace(target=target)

    def nearer(self, policy: MaskedNetwork, target: Params) -> Params:
        """(1 - tau) target + tau policy, where the policy has weights; a copy for tau 1."""
        moved = optax.incremental_update(policy.params, target, self.config.tau)
        # A copy has the policy's zeros already.
        return moved if self.config.tau == 1 else mask_rules.apply(policy.masks, moved)

    def update(
        self, state: DQNState, batch: Batch, key: Key[Array, ""], steps_before: Int[Array, ""]
    ) -> Learned:
        """One step on the Huber loss with delta 1."""
        target = self.bootstrapped(state, batch)
        (loss, value), gradients = self.slope(state.policy.params, state, batch, target)
        policy = state.policy.step(self._optimizer, gradients)
        # That by which the optimizer clips, which is computed but once.
        norm = optax.global_norm(state.policy.learning(gradients))
        return Learned(
            state._replace(policy=policy),
            {"loss": loss, "value": value, "gradient_norm": norm},
            {"policy": gradients},
        )

    def bootstrapped(self, state: DQNState, batch: Batch) -> Float[Array, " batch"]:
        """Reward plus discounted value of the best next action, by the target network."""
        target = normalization.variables(state.target, state.statistics)
        next_values = self.values(target, batch.next_observation)
        if self.config.double:
            next_action = self.act(self.variables(state), batch.next_observation)
            next_value = jnp.take_along_axis(next_values, next_action[:, None], axis=1)[:, 0]
        else:
            next_value = next_values.max(axis=1)
        return batch.reward + batch.discount * next_value

    def slope(
        self, params: Params, state: DQNState, batch: Batch, target: Float[Array, " batch"]
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], Params]:
        """Loss and mean value of a Q network with these parameters, and the loss's gradient."""

        def loss_and_value(params: Params) -> tuple[Float[Array, ""], Float[Array, ""]]:
            variables = normalization.variables(params, state.statistics)
            values = self.values(variables, batch.observation)
            value = jnp.take_along_axis(values, batch.action[:, None], axis=1)[:, 0]
            loss = weighted_mean(optax.huber_loss(value, target), batch.weight)
            return loss, weighted_mean(value, batch.weight)

        found: tuple[Any, Params] = jax.value_and_grad(loss_and_value, has_aux=True)(params)
        return found


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> DQN:
    """DQN with the configured network, which multiplies with `dots`.

    Raises `ConfigError` where observations of this kind are not normalized.
    """
    assert isinstance(config.agent, DQNOptions) and isinstance(spec.action, Discrete)
    network = policy_network(config.network, spec)
    return DQN(
        config=config.agent,
        rhythm=Rhythm.of(config, spec),
        network=QNetwork(network, dots),
        observation=jax.ShapeDtypeStruct(spec.policy_shape, spec.observation_dtype),
        actions=spec.action.n,
        exploration_steps=round(config.agent.exploration_fraction * config.training.steps),
    )
