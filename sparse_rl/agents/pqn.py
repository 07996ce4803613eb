"""PQN, parallelized Q-learning (Gallici et al. 2024, arXiv 2407.04811), with Q(lambda)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.agents import masked_network, normalization
from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.epsilon_greedy import EpsilonGreedy
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.normalization import RunningStatistics
from sparse_rl.agents.pqn_options import PQNOptions
from sparse_rl.agents.rollout_agent import RolloutAgent, shuffled
from sparse_rl.agents.updates import linear, weighted_mean
from sparse_rl.architecture import policy_network
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory import rollout
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.networks import QNetwork
from sparse_rl.spaces import Discrete, EnvSpec
from sparse_rl.sparsity.masks import Params


class PQNState(NamedTuple):
    """`policy` is the Q network; `statistics` are of the observations before the rollout."""

    policy: MaskedNetwork
    statistics: RunningStatistics | tuple[()] = ()


class Steps(NamedTuple):
    """A rollout's steps in one row, with the returns they are regressed on; resets weigh 0."""

    observation: Num[Array, "batch *observation"]
    action: Int[Array, " batch"]
    target: Float[Array, " batch"]
    weight: Float[Array, " batch"]


@dataclass(frozen=True)
class PQN(EpsilonGreedy, RolloutAgent):
    """The algorithm over a Q network, without replay and without a target network.

    What keeps it stable is many environments side by side and layer normalization (section 3),
    `network.layer_norm`.
    """

    config: PQNOptions
    environments: int
    spec: EnvSpec
    network: QNetwork
    actions: int
    normalize: bool
    exploration_steps: int
    training_steps: int

    def _optimizer(self, learning_rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        """RAdam (Liu et al. 2020, arXiv 1908.03265) on gradients of a bounded norm."""
        return optax.chain(
            optax.clip_by_global_norm(self.config.gradient_clip),
            optax.scale_by_radam(),
            optax.scale(-learning_rate),
        )

    @property
    def prunable(self) -> dict[str, int]:
        return {"policy": 0}

    def init(self, key: Key[Array, ""]) -> PQNState:
        observation = jnp.zeros((1, *self.spec.policy_shape), self.spec.observation_dtype)
        params = {"params": self.network.init(key, observation)["params"]}
        return PQNState(
            policy=masked_network.init(params, self._optimizer(self.config.learning_rate)),
            statistics=normalization.init(self.spec.policy_shape) if self.normalize else (),
        )

    def learning_rate(self, clock: Int[Array, ""]) -> Float[Array, ""]:
        """Falls linearly from first to last over `training_steps`, then stays."""
        first, last = self.config.learning_rate, self.config.learning_rate_last
        return linear(first, last, self.training_steps, clock)

    def learn(
        self, state: PQNState, memory: ReplayBuffer, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> Learned:
        """`epochs` passes over the rollout in `minibatches` batches; the metrics are means."""
        batch, statistics = self.collected(state, memory, clock)
        rows = batch.weight.shape[0]
        batches = shuffled(
            jax.random.fold_in(key, clock),
            rows,
            self.config.epochs,
            rows // self.config.minibatches,
        )
        optimizer = self._optimizer(self.learning_rate(clock - rows))

        def gradient_step(
            carry: tuple[MaskedNetwork, Params], chosen: Int[Array, " batch"]
        ) -> tuple[tuple[MaskedNetwork, Params], Metrics]:
            policy, _ = carry
            part = jax.tree.map(lambda leaf: leaf[chosen], batch)
            metrics, gradients = self.gradients(policy.params, state.statistics, part)
            return (policy.step(optimizer, gradients), gradients), metrics

        first = (state.policy, jax.tree.map(jnp.zeros_like, state.policy.params))
        (policy, gradients), metrics = jax.lax.scan(gradient_step, first, batches)
        return Learned(
            PQNState(policy, statistics), jax.tree.map(jnp.mean, metrics), {"policy": gradients}
        )

    def collected(
        self, state: PQNState, memory: ReplayBuffer, clock: Int[Array, ""]
    ) -> tuple[Steps, RunningStatistics | tuple[()]]:
        """The rollout with its lambda returns, and statistics that know of it.

        They are made once, before the first gradient step, of V(s) = max_a Q(s, a).
        """
        config = self.config
        steps = self.last_steps(memory, clock)
        seen = rollout.in_one_row(steps.observation)
        values = self.values(self.variables(state), seen).max(axis=-1)
        steps = steps._replace(reward=config.reward_scale * steps.reward)
        target = rollout.lambda_returns(
            steps,
            values.reshape(self.steps + 1, self.environments),
            config.discount,
            config.return_lambda,
        )
        statistics = state.statistics
        if isinstance(statistics, RunningStatistics):
            statistics = normalization.update(statistics, seen[self.environments :])
        batch = Steps(
            observation=seen[: -self.environments],
            action=rollout.in_one_row(steps.action),
            target=rollout.in_one_row(target),
            weight=rollout.in_one_row(steps.valid).astype(jnp.float32),
        )
        return batch, statistics

    def gradients(
        self, params: Params, statistics: RunningStatistics | tuple[()], batch: Steps
    ) -> tuple[Metrics, Params]:
        """Of 1/2 mean((G - Q(s, a))^2) (section 4)."""

        def loss(params: Params) -> tuple[Float[Array, ""], Metrics]:
            variables = normalization.variables(params, statistics)
            values = self.values(variables, batch.observation)
            value = jnp.take_along_axis(values, batch.action[:, None], axis=1)[:, 0]
            error = 0.5 * weighted_mean(jnp.square(batch.target - value), batch.weight)
            return error, {"loss": error, "value": weighted_mean(value, batch.weight)}

        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        return metrics, gradients


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> PQN:
    """PQN with the configured network, which multiplies with `dots`.

    Raises `ConfigError` where observations of this kind are not normalized.
    """
    assert isinstance(config.agent, PQNOptions) and isinstance(spec.action, Discrete)
    normalization.check(config, spec)
    return PQN(
        config=config.agent,
        environments=config.training.environments,
        spec=spec,
        network=QNetwork(policy_network(config.network, spec), dots),
        actions=spec.action.n,
        normalize=config.network.normalize,
        exploration_steps=round(config.agent.exploration_fraction * config.training.steps),
        training_steps=config.training.steps,
    )
