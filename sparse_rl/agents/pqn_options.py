"""The options of PQN. Knows no JAX: --help reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from sparse_rl.agents.on_policy_options import RolloutOptions
from sparse_rl.config.fields import Fraction, NonNegative, Positive, PositiveCount, section
from sparse_rl.config.interfaces import Problem
from sparse_rl.spaces import Discrete

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config


@section
class PQNOptions(RolloutOptions):
    """PQN (Gallici et al. 2024), with its authors' settings for 128 environments of MinAtar.

    But for rollouts of 40 steps in 40 minibatches instead of 32 in 32: the other sections' default
    lengths are multiples of 1,000.
    """

    actions = Discrete
    name: Literal["pqn"] = "pqn"
    """The algorithm; these are the options of pqn."""
    rollout_steps: PositiveCount = 40
    """Steps of every environment between updates."""
    learning_rate: Positive = 5e-4
    """RAdam's step size at step 0."""
    learning_rate_last: NonNegative = 5e-5
    """The same at training.steps and after, where int8 training goes on; between it is linear."""
    discount: Fraction = 0.99
    """Discount factor of the return."""
    return_lambda: Fraction = 0.65
    """Lambda of the returns: 0 is the one-step target, 1 the return to the end of the rollout."""
    epochs: PositiveCount = 2
    """Passes over each rollout."""
    minibatches: PositiveCount = 40
    """Gradient steps in each of them."""
    gradient_clip: Positive = 10.0
    """Largest global norm of the gradient."""
    exploration_fraction: Fraction = 0.1
    """Share of training.steps over which epsilon falls from first to last."""
    exploration_first: Fraction = 1.0
    """Epsilon at step 0."""
    exploration_last: Fraction = 0.05
    """Epsilon after exploration_fraction of the steps."""
    reward_scale: Positive = 1.0
    """Factor by which rewards are multiplied before anything is learned from them."""

    def problems(self, config: Config) -> Iterator[Problem]:
        yield from super().problems(config)
        yield from self._divided(config, "minibatches", self.minibatches)
