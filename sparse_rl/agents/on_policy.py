"""What on-policy agents share: a policy, a value network, and the advantages of a rollout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, Num

from sparse_rl.agents import masked_network, normalization
from sparse_rl.agents.actor_critic import actor_and_critic
from sparse_rl.agents.distributions import Categorical, DiagonalGaussian, Distribution
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.normalization import ReturnStatistics, RunningStatistics
from sparse_rl.agents.on_policy_options import WithAdvantages
from sparse_rl.agents.rollout_agent import RolloutAgent
from sparse_rl.agents.updates import linear, standardized
from sparse_rl.architecture import Network
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.memory import rollout
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.networks import FlaxNetwork
from sparse_rl.spaces import Continuous, Discrete, EnvSpec
from sparse_rl.sparsity.masks import Params

LOG_STD = "exploration"
"""The collection, beside a Gaussian policy's "params", that holds `log_std`; never delivered."""


class OnPolicyState(NamedTuple):
    """`policy` is the actor, `value` the network V(s).

    `statistics` are those of the observations before the current rollout, `returns` those by which
    rewards are scaled; each is empty where it is not wanted.
    """

    policy: MaskedNetwork
    value: MaskedNetwork
    statistics: RunningStatistics | tuple[()] = ()
    returns: ReturnStatistics | tuple[()] = ()


class Taken(NamedTuple):
    """What is remembered of an action beside it."""

    log_prob: Float[Array, " environments"]


class Steps(NamedTuple):
    """A rollout's steps in one row, as a loss needs them; `weight` is 0 for resets."""

    observation: Num[Array, "batch *observation"]
    action: Num[Array, "batch *action"]
    log_prob: Float[Array, " batch"]
    advantage: Float[Array, " batch"]
    target: Float[Array, " batch"]
    weight: Float[Array, " batch"]


@dataclass(frozen=True)
class OnPolicy(RolloutAgent):
    """Functions of `Agent` for a subclass that has `learn` and `_optimizer`.

    The statistics of observations stay the same during a rollout and its updates, so that the first
    ratio of new to old probabilities is 1 (in `integer` nearly 1, where ranges of layers move with
    every step), and then take it in. `learning_rate` is the
    optimizer's step size, first or of an update (`at`).
    """

    config: WithAdvantages
    environments: int
    actor: FlaxNetwork
    critic: FlaxNetwork
    spec: EnvSpec
    normalize: bool
    sparse_value: bool
    training_steps: int
    learning_rate: float | Float[Array, ""]

    @classmethod
    def of(cls, config: Config, spec: EnvSpec, dots: DotProducts) -> Self:
        """With the configured networks; the policy multiplies with `dots`.

        Raises `ConfigError` where observations of this kind are not normalized.
        """
        assert isinstance(config.agent, WithAdvantages)
        normalization.check(config, spec)
        actor, critic = actor_and_critic(config, spec, dots)
        return cls(
            config=config.agent,
            environments=config.training.environments,
            actor=actor,
            critic=critic,
            spec=spec,
            normalize=config.network.normalize,
            sparse_value=config.sparsity.prunes_critics,
            training_steps=config.training.steps,
            learning_rate=config.agent.learning_rate,
        )

    def at(self, clock: Int[Array, ""]) -> Self:
        """The agent with the step size of the update at `clock`, after that rollout, as in SB3.

        alpha (1 - d min(clock / T, 1)) with d = `learning_rate_decay` and T = `training_steps`.
        """
        first, decay = self.config.learning_rate, self.config.learning_rate_decay
        if decay == 0:  # a constant of the program, as it was before there was a decay
            return self
        now = linear(first, first * (1.0 - decay), self.training_steps, clock)
        return replace(self, learning_rate=now)

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        """That of both networks, or of the value alone where `_policy_optimizer` is another."""
        raise NotImplementedError

    @property
    def _policy_optimizer(self) -> optax.GradientTransformation:
        return self._optimizer

    @property
    def prunable(self) -> dict[str, int]:
        return {"policy": 0, "value": 0} if self.sparse_value else {"policy": 0}

    @property
    def policy_network(self) -> Network:
        return self.actor.network

    def init(self, key: Key[Array, ""]) -> OnPolicyState:
        policy_key, value_key = jax.random.split(key)
        observation = jnp.zeros((1, *self.spec.policy_shape), self.spec.observation_dtype)
        policy = {"params": self.actor.init(policy_key, observation)["params"]}
        if isinstance(self.spec.action, Continuous):
            size = len(self.spec.action.low)
            policy[LOG_STD] = {"log_std": jnp.full(size, self.config.initial_log_std)}
        value = {"params": self.critic.init(value_key, observation)["params"]}
        masked = masked_network.init if self.sparse_value else masked_network.init_unmasked
        returns = normalization.init_returns(self.environments)
        return OnPolicyState(
            policy=masked_network.init(policy, self._policy_optimizer),
            value=masked(value, self._optimizer),
            statistics=normalization.init(self.spec.policy_shape) if self.normalize else (),
            returns=returns if self.config.normalize_rewards else (),
        )

    def distribution(
        self,
        params: Params,
        statistics: RunningStatistics | tuple[()],
        observation: Num[Array, "batch *observation"],
    ) -> Distribution:
        """pi(. | s), of a Gaussian before anything is clipped."""
        variables = normalization.variables(_of_the_network(params), statistics)
        outputs: Any = self.actor.apply(variables, observation)
        if isinstance(self.spec.action, Discrete):
            return Categorical(outputs["head"])
        return DiagonalGaussian(outputs["mean"], params[LOG_STD]["log_std"])

    def values(
        self,
        params: Params,
        statistics: RunningStatistics | tuple[()],
        observation: Num[Array, "batch *observation"],
    ) -> Float[Array, " batch"]:
        """V(s)."""
        variables = normalization.variables(params, statistics)
        outputs: Any = self.critic.apply(variables, observation)
        return outputs["value"][:, 0]

    def explore(
        self,
        state: OnPolicyState,
        observation: Num[Array, "environments *observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> tuple[Num[Array, "environments *action"], Taken]:
        distribution = self.distribution(state.policy.params, state.statistics, observation)
        action = distribution.sample(key)
        return action, Taken(distribution.log_prob(action))

    def variables(self, state: OnPolicyState) -> Params:
        return normalization.variables(_of_the_network(state.policy.params), state.statistics)

    def act(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Num[Array, "batch *action"]:
        """The most likely action."""
        outputs: Any = self.actor.apply(variables, observation)
        if isinstance(self.spec.action, Discrete):
            return Categorical(outputs["head"]).mode()
        return jnp.clip(outputs["mean"], -1.0, 1.0)

    def collected(
        self, state: OnPolicyState, memory: ReplayBuffer, clock: Int[Array, ""]
    ) -> tuple[OnPolicyState, Steps]:
        """The rollout with its advantages and targets A + V, and statistics that know of it.

        The networks have to be applied with the statistics that `state` had before.
        """
        steps = self.last_steps(memory, clock)
        returns = state.returns
        if isinstance(returns, ReturnStatistics):
            returns, reward = normalization.scaled_rewards(returns, steps, self.config.discount)
            steps = steps._replace(reward=reward)
        seen = steps.observation.reshape(-1, *self.spec.policy_shape)
        values = self.values(state.value.params, state.statistics, seen)
        values = values.reshape(self.steps + 1, self.environments)
        advantage = rollout.advantages(steps, values, self.config.discount, self.config.gae_lambda)
        statistics = state.statistics
        if isinstance(statistics, RunningStatistics):
            statistics = normalization.update(statistics, seen[self.environments :])

        batch = Steps(
            observation=seen[: -self.environments],
            action=rollout.in_one_row(steps.action),
            log_prob=rollout.in_one_row(steps.extras.log_prob),
            advantage=rollout.in_one_row(advantage),
            target=rollout.in_one_row(advantage + values[:-1]),
            weight=rollout.in_one_row(steps.valid).astype(jnp.float32),
        )
        return state._replace(statistics=statistics, returns=returns), batch

    def scaled_advantage(self, batch: Steps) -> Float[Array, " batch"]:
        """The batch's advantages, with mean 0 and deviation 1 where they are to be normalized."""
        if self.config.normalize_advantages:
            return standardized(batch.advantage, batch.weight)
        return batch.advantage


def _of_the_network(params: Params) -> Params:
    """A policy's parameters without the spread of its exploration."""
    return {name: part for name, part in params.items() if name != LOG_STD}
