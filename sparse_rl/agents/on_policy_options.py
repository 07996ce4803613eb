"""The options of the agents without a replay buffer. Knows no JAX: --help reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from sparse_rl.config.fields import Fraction, NonNegative, Positive, PositiveCount, Real, section
from sparse_rl.config.interfaces import AgentOptions, Problem
from sparse_rl.config.sections import ReplayConfig, TrainingConfig

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config


class RolloutOptions(AgentOptions):
    """What agents that learn from a rollout ask of the other parts.

    No fields: which there are, and their order, is part of the digest that names an experiment.
    """

    memory: ClassVar[str] = "agent.rollout_steps"
    rhythm: ClassVar[str] = "agent.rollout_steps"
    rollout_steps: int

    def steps_per_update(self, config: Config) -> int:
        return self.rollout_steps * config.training.environments

    def prefill_steps(self, config: Config) -> int:
        """None: a policy learns from what it did itself."""
        return 0

    def problems(self, config: Config) -> Iterator[Problem]:
        """Settings of a replay buffer, which there is not."""
        if config.replay != ReplayConfig():
            yield (
                "replay",
                f"found settings, and {self.name} has no replay buffer; allowed: no section replay",
            )
        usual = TrainingConfig()
        for key in ("learning_starts", "train_frequency", "gradient_steps"):
            found = getattr(config.training, key)
            if found != getattr(usual, key):
                yield (
                    f"training.{key}",
                    f"found {found}, and {self.name} learns from its own last steps, after "
                    f"agent.rollout_steps; allowed: leave it out",
                )

    def _divided(self, config: Config, key: str, parts: int) -> Iterator[Problem]:
        """What does not divide the steps of a rollout, all environments together."""
        collected = self.steps_per_update(config)
        if collected % parts:
            yield (
                f"agent.{key}",
                f"found {parts}; allowed: a divisor of agent.rollout_steps * "
                f"training.environments, {collected}",
            )


@section
class OnPolicyOptions(RolloutOptions):
    """What PPO and A2C have in common."""

    name: str
    rollout_steps: PositiveCount = 1_000
    """Steps of every environment between updates."""
    learning_rate: Positive = 3e-4
    """The optimizer's step size, for both networks."""
    learning_rate_decay: Fraction = 0.0
    """Fraction by which it falls, linearly, until training.steps; it then stays as it is."""
    discount: Fraction = 0.99
    """Discount factor of the return."""
    gae_lambda: Fraction = 0.95
    """Lambda of generalized advantage estimates: 1 is the return less the value."""
    value_coefficient: NonNegative = 0.5
    """Weight of the value's loss."""
    entropy_coefficient: NonNegative = 0.0
    """Weight of the entropy, which is rewarded."""
    gradient_clip: Positive = 0.5
    """Largest global norm of both networks' gradients together."""
    initial_log_std: Annotated[Real, Field(ge=-10, le=2)] = 0.0
    """First log standard deviation of continuous actions, which are in [-1, 1]."""
    normalize_advantages: bool = True
    """Gives the advantages of every batch mean 0 and deviation 1."""
    normalize_rewards: bool = False
    """Divides rewards by the running deviation of the discounted return."""

    def problems(self, config: Config) -> Iterator[Problem]:
        yield from super().problems(config)
        yield from _nothing_left(config, self.learning_rate_decay)


@section
class PPOOptions(OnPolicyOptions):
    """Proximal policy optimization (Schulman et al. 2017).

    Stable-Baselines3's defaults, but for rollouts of 1,000 steps in batches of 50 instead of 2,048
    in batches of 64: the other sections' default lengths are multiples of 1,000.
    """

    name: Literal["ppo"] = "ppo"
    """The algorithm; these are the options of ppo."""
    adam_epsilon: Positive = 1e-5
    """Adam's epsilon, outside the square root."""
    epochs: PositiveCount = 10
    """Passes over each rollout."""
    batch_size: PositiveCount = 50
    """Steps per gradient step, drawn without replacement in each epoch."""
    clip: Positive = 0.2
    """Range of the ratio of new to old probabilities: from 1 - clip to 1 + clip."""

    def problems(self, config: Config) -> Iterator[Problem]:
        yield from super().problems(config)
        yield from self._divided(config, "batch_size", self.batch_size)


@section
class A2COptions(OnPolicyOptions):
    """Advantage actor-critic (Mnih et al. 2016), with Stable-Baselines3's defaults."""

    name: Literal["a2c"] = "a2c"
    """The algorithm; these are the options of a2c."""
    rollout_steps: PositiveCount = 5
    """Steps of every environment between updates."""
    learning_rate: Positive = 7e-4
    """RMSprop's step size, for both networks."""
    rms_decay: Fraction = 0.99
    """Decay of RMSprop's average of squared gradients."""
    rms_epsilon: Positive = 1e-5
    """RMSprop's epsilon, outside the square root."""
    gae_lambda: Fraction = 1.0
    """Lambda of generalized advantage estimates: 1 is the return less the value."""
    normalize_advantages: bool = False
    """Gives the advantages of every rollout mean 0 and deviation 1."""


@section
class ValueRegressionOptions(RolloutOptions):
    """What TRPO and REINFORCE have in common."""

    name: str
    rollout_steps: PositiveCount = 1_000
    """Steps of every environment between updates."""
    learning_rate: Positive = 1e-3
    """Adam's step size, for every network that Adam steps."""
    learning_rate_decay: Fraction = 0.0
    """Fraction by which it falls, linearly, until training.steps; it then stays as it is."""
    discount: Fraction = 0.99
    """Discount factor of the return."""
    value_epochs: PositiveCount = 10
    """Passes of the value's regression over each rollout."""
    batch_size: PositiveCount = 125
    """Steps per gradient step of the value, drawn without replacement in each epoch."""
    adam_epsilon: Positive = 1e-5
    """Adam's epsilon, outside the square root."""
    initial_log_std: Annotated[Real, Field(ge=-10, le=2)] = 0.0
    """First log standard deviation of continuous actions, which are in [-1, 1]."""
    normalize_advantages: bool = True
    """Gives the advantages of every rollout mean 0 and deviation 1."""
    normalize_rewards: bool = False
    """Divides rewards by the running deviation of the discounted return."""

    def problems(self, config: Config) -> Iterator[Problem]:
        yield from super().problems(config)
        yield from self._divided(config, "batch_size", self.batch_size)
        yield from _nothing_left(config, self.learning_rate_decay)


@section
class TRPOOptions(ValueRegressionOptions):
    """Trust region policy optimization (Schulman et al. 2015).

    The defaults of SB3-contrib, but for rollouts of 1,000 steps in batches of 125 instead of 2,048
    in batches of 128: the other sections' default lengths are multiples of 1,000.
    """

    name: Literal["trpo"] = "trpo"
    """The algorithm; these are the options of trpo."""
    gae_lambda: Fraction = 0.95
    """Lambda of generalized advantage estimates: 1 is the return less the value."""
    target_kl: Positive = 0.01
    """Largest mean divergence of the new policy from the old one, delta."""
    cg_steps: PositiveCount = 15
    """Most iterations of conjugate gradients."""
    cg_damping: NonNegative = 0.1
    """Multiple of the identity that is added to the divergence's second derivatives."""
    line_search_steps: PositiveCount = 10
    """Most lengths of the step that are tried; where none improves there is no step."""
    line_search_shrink: Annotated[Positive, Field(lt=1)] = 0.8
    """Factor by which the step shrinks at each attempt."""
    sub_sampling: PositiveCount = 1
    """The policy learns from one of so many steps of a rollout."""

    def problems(self, config: Config) -> Iterator[Problem]:
        yield from super().problems(config)
        yield from self._divided(config, "sub_sampling", self.sub_sampling)


@section
class ReinforceOptions(ValueRegressionOptions):
    """REINFORCE with a learned baseline (Williams 1992)."""

    name: Literal["reinforce"] = "reinforce"
    """The algorithm; these are the options of reinforce."""
    gae_lambda: ClassVar[float] = 1.0
    """Returns less the baseline, to the end of the episode or of the rollout."""
    normalize_advantages: bool = False
    """Gives the advantages of every rollout mean 0 and deviation 1."""
    entropy_coefficient: NonNegative = 0.0
    """Weight of the entropy, which is rewarded."""
    gradient_clip: Positive = 0.5
    """Largest global norm of the policy's gradient."""


WithAdvantages = OnPolicyOptions | TRPOOptions | ReinforceOptions
"""The options of the agents with a policy, a value network and advantages."""


def _nothing_left(config: Config, decay: float) -> Iterator[Problem]:
    """A step size of zero where quantized arms are still to be trained."""
    if decay == 1 and config.quantization.modes:
        yield (
            "agent.learning_rate_decay",
            "found 1, and quantized arms learn after training.steps; allowed: less, or no "
            "quantization.modes",
        )
