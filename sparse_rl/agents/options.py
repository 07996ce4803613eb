"""The options of the agents that are built in. Knows no JAX: --help reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from sparse_rl.config.fields import Fraction, NonNegative, Positive, PositiveCount, section
from sparse_rl.config.interfaces import AgentOptions, Problem
from sparse_rl.spaces import Continuous, Discrete

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config


class OffPolicyOptions(AgentOptions):
    """What agents with a replay buffer ask of the other parts."""

    def problems(self, config: Config) -> Iterator[Problem]:
        training, replay = config.training, config.replay
        if config.sparsity.prunes and training.learning_starts > config.prune_begin:
            yield (
                "training.learning_starts",
                f"found {training.learning_starts}, after pruning begins at step "
                f"{config.prune_begin}; allowed: at most sparsity.begin * training.steps",
            )
        elif training.learning_starts >= training.steps:
            yield (
                "training.learning_starts",
                f"found {training.learning_starts}; allowed: less than training.steps, "
                f"{training.steps}",
            )
        yield from config.partial_updates("training.learning_starts", training.learning_starts)
        if replay.batch_size >= replay.capacity:
            yield (
                "replay.batch_size",
                f"found {replay.batch_size}, which does not fit a buffer of {replay.capacity}; "
                f"allowed: less than replay.capacity",
            )
        each = training.environments  # transitions lie within one of them
        if replay.n_step >= min(replay.capacity // each, training.learning_starts // each):
            yield (
                "replay.n_step",
                f"found {replay.n_step}; allowed: less than replay.capacity, {replay.capacity}, "
                f"and training.learning_starts, {training.learning_starts}"
                + (f", each over training.environments, {each}" if each > 1 else ""),
            )
        yield from _of_replay(config)


def _of_replay(config: Config) -> Iterator[Problem]:
    """Times of the replay buffer at which nothing would happen, or at which there is nothing."""
    training, replay = config.training, config.replay
    if replay.n_step_begin > 0 and replay.n_step == 1:
        yield (
            "replay.n_step_begin",
            f"found {replay.n_step_begin} with replay.n_step 1; allowed: 0, or more steps",
        )
    elif replay.n_step_begin >= training.steps:
        yield (
            "replay.n_step_begin",
            f"found {replay.n_step_begin}; allowed: less than training.steps, {training.steps}",
        )
    for step in replay.empty_at:
        if not training.learning_starts < step < training.steps:
            yield (
                "replay.empty_at",
                f"found {step}; allowed: steps after training.learning_starts, "
                f"{training.learning_starts}, and before training.steps, {training.steps}",
            )
    if replay.most_distance > 0:
        yield from config.partial_updates("replay.distance_every", replay.distance_every)
        if replay.least >= replay.capacity:
            yield (
                "replay.least",
                f"found {replay.least}; allowed with replay.most_distance: less than "
                f"replay.capacity, {replay.capacity}",
            )
        if replay.least < 16 * replay.batch_size:
            yield (
                "replay.least",
                f"found {replay.least}; allowed with replay.most_distance: 16 times "
                f"replay.batch_size or more, {16 * replay.batch_size}",
            )
    if replay.empty_after_pruning and config.prune_end >= training.steps:
        yield (
            "replay.empty_after_pruning",
            f"found true with sparsity.end {config.sparsity.end:g}; allowed: an end before "
            f"training.steps",
        )


@section
class SACOptions(OffPolicyOptions):
    """Soft actor-critic (Haarnoja et al. 2018) with Stable-Baselines3's defaults."""

    actions = Continuous
    name: Literal["sac"] = "sac"
    """The algorithm; these are the options of sac."""
    learning_rate: Positive = 3e-4
    """Adam's step size for actor, critics and temperature."""
    adam_epsilon: Positive = 1e-8
    """Adam's epsilon, outside the square root."""
    weight_decay: NonNegative = 0.0
    """L2 term added to the gradients of actor and critics (not decoupled)."""
    discount: Fraction = 0.99
    """Discount factor of the return."""
    tau: Fraction = 0.005
    """Share of the critics that is blended into their targets after every update."""
    initial_temperature: Positive = 1.0
    """First value of alpha, the weight of the entropy."""
    critic_layer_norm: bool = False
    """Layer normalization in the critics alone; network.layer_norm gives it to all networks."""


@section
class TD3Options(OffPolicyOptions):
    """Twin delayed DDPG (Fujimoto et al. 2018) with Stable-Baselines3's defaults."""

    actions = Continuous
    name: Literal["td3"] = "td3"
    """The algorithm; these are the options of td3."""
    critics: ClassVar[int] = 2
    """Critics, of which the smallest value counts."""
    learning_rate: Positive = 1e-3
    """Adam's step size for actor and critics."""
    adam_epsilon: Positive = 1e-8
    """Adam's epsilon, outside the square root."""
    weight_decay: NonNegative = 0.0
    """L2 term added to the gradients of actor and critics (not decoupled)."""
    discount: Fraction = 0.99
    """Discount factor of the return."""
    tau: Fraction = 0.005
    """Share of the networks that is blended into their targets when the actor learns."""
    policy_delay: PositiveCount = 2
    """Gradient steps of the critics for one of the actor and the targets."""
    exploration_noise: NonNegative = 0.1
    """Standard deviation of the noise on actions, which are in [-1, 1], in training."""
    target_noise: NonNegative = 0.2
    """Standard deviation of the noise on target actions."""
    target_noise_clip: NonNegative = 0.5
    """Where that noise is cut off."""
    critic_layer_norm: bool = False
    """Layer normalization in the critics alone; network.layer_norm gives it to all networks."""


@section
class DDPGOptions(TD3Options):
    """Deep deterministic policy gradient (Lillicrap et al. 2016): TD3 without its additions."""

    name: Literal["ddpg"] = "ddpg"  # type: ignore[assignment]
    """The algorithm; these are the options of ddpg."""
    critics: ClassVar[int] = 1
    """Critics, of which the smallest value counts."""
    policy_delay: PositiveCount = 1
    """Gradient steps of the critic for one of the actor and the targets."""
    target_noise: NonNegative = 0.0
    """Standard deviation of the noise on target actions."""


@section
class DQNOptions(OffPolicyOptions):
    """Deep Q-learning (Mnih et al. 2015) with Stable-Baselines3's semantics."""

    actions = Discrete
    name: Literal["dqn"] = "dqn"
    """The algorithm; these are the options of dqn."""
    learning_rate: Positive = 1e-4
    """Adam's step size."""
    adam_epsilon: Positive = 1e-8
    """Adam's epsilon, outside the square root."""
    weight_decay: NonNegative = 0.0
    """L2 term added to the gradient (not decoupled)."""
    discount: Fraction = 0.99
    """Discount factor of the return."""
    target_interval: PositiveCount = 8_000
    """Environment steps between updates of the target network."""
    tau: Fraction = 1.0
    """Share of the Q network that goes into its target at such an update (1: a copy)."""
    gradient_clip: Positive = 10.0
    """Largest global norm of the gradient."""
    exploration_fraction: Fraction = 0.1
    """Share of training.steps over which epsilon falls from first to last."""
    exploration_first: Fraction = 1.0
    """Epsilon at step 0."""
    exploration_last: Fraction = 0.05
    """Epsilon after exploration_fraction of the steps."""
    double: bool = False
    """Double DQN: the online network chooses the next action, the target network values it."""

    def problems(self, config: Config) -> Iterator[Problem]:
        yield from super().problems(config)
        yield from config.partial_updates("agent.target_interval", self.target_interval)
        if config.replay.most_distance > 0:
            yield (
                "replay.most_distance",
                f"found {config.replay.most_distance:g} with dqn; allowed: 0, because discrete "
                f"actions have no distance",
            )
