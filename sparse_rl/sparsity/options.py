"""The options of the sparsity methods that are built in. Knows no JAX: --help reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sparse_rl.config.fields import Fraction, PositiveCount, Real, section
from sparse_rl.config.interfaces import MethodOptions, Options, Problem

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config


@section
class GradualOptions(MethodOptions):
    """Gradual pruning (Zhu and Gupta 2017); when and how much stands in `sparsity`."""

    score: Literal["magnitude", "lamp"] = "magnitude"
    """magnitude: |w|, spread as sparsity.distribution says; lamp: w^2 over the sum of what is at
    least as large in its layer, by one threshold for all layers (Lee et al. 2021)."""


@section
class NMOptions(MethodOptions):
    """Of every m weights along the input axis n stay; n follows from the level, m (1 - level)."""

    m: Annotated[PositiveCount, Field(ge=2, le=64)] = 4
    """Weights of a group: with 4, level 0.5 is 2:4 and 0.75 is 1:4; with 8, 0.875 is 1:8."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """Levels that are no whole number of weights of a group."""
        yield from super().problems(config)
        yield from _no_patterns(config, "n_m", self.m)


def _no_patterns(config: Config, method: str, m: int) -> Iterator[Problem]:
    """Levels that are no whole number of the m weights of a group."""
    for key in ("levels", "critic_levels"):
        levels = getattr(config.sparsity, key)
        if any(abs(level * m - round(level * m)) > 1e-6 for level in levels):
            found = ", ".join(f"{level:g}" for level in levels)
            yield (
                f"sparsity.{key}",
                f"found {found} with the method {method}; allowed: multiples of "
                f"1 / sparsity.{method}.m, {1 / m:g}",
            )


def _stops_early(config: Config, options: Any, interval: int = 1) -> Iterator[Problem]:
    """A `stop` before the first step at which masks may change, a multiple of `interval`."""
    name = next(name for name, part in config.sparsity.of_methods if part is options)
    stop, first = config.step_at(options.stop), config.first_step
    if (stop - 1) // interval * interval <= first:
        every = f" and the next multiple of sparsity.interval, {interval}" if interval > 1 else ""
        yield (
            f"sparsity.{name}.stop",
            f"found {options.stop:g}, step {stop}: no mask would ever change; allowed: an end "
            f"after step {first}, where learning begins{every}",
        )


@section
class StraightThroughOptions(Options):
    """The largest of dense weights act, all of them learn (straight-through estimator)."""

    updates: PositiveCount = 1
    """Updates after which the largest weights are chosen anew."""
    stop: Annotated[Real, Field(gt=0, le=1)] = 0.8
    """Masks stay as they are after this share of training.steps."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """An end before learning starts."""
        yield from super().problems(config)
        yield from _stops_early(config, self)


@section
class NMStraightThroughOptions(StraightThroughOptions):
    """The n largest of every m dense weights along the input axis act, all of them learn."""

    m: Annotated[PositiveCount, Field(ge=2, le=64)] = 4
    """Weights of a group, as of n_m."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """Levels that are no whole number of weights of a group."""
        yield from super().problems(config)
        yield from _no_patterns(config, "n_m_ste", self.m)


@section
class OneShotOptions(Options):
    """Prunes all at once by magnitude, then fine-tunes."""

    at: Fraction = 0.8
    """When, as a share of training.steps."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """A time before learning starts."""
        at = config.step_at(self.at)
        if at - config.steps_per_update < config.first_step:
            yield (
                "sparsity.one_shot.at",
                f"found {self.at:g}, step {at}; allowed: after the first update, which follows "
                f"the {config.first_step} steps before there is learning",
            )


@section
class StaticOptions(Options):
    """Random masks from the first step on, which never change."""


@section
class DynamicOptions(Options):
    """Sparse from the first step; the smallest weights die and as many grow elsewhere."""

    drop_fraction: Fraction = 0.5
    """Share of the live weights that is exchanged at first; falls to 0 as a cosine (Graesser et
    al. 2022: 0.5 for SAC, 0.3 for DQN on images)."""
    stop: Annotated[Real, Field(gt=0, le=1)] = 0.8
    """Masks stay as they are after this share of training.steps."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """An end before any mask changes."""
        yield from super().problems(config)
        yield from _stops_early(config, self, config.sparsity.interval)


@section
class AdaptiveOptions(Options):
    """DQN: networks of rising sparsity compete (EauDeQN); the level is the most they may reach."""

    networks: Annotated[PositiveCount, Field(ge=2, le=32)] = 5
    """Networks that learn side by side, the one that acts among them (Vincent et al. 2025: 5)."""
    drop_fraction: Annotated[Real, Field(gt=0, lt=1)] = 0.01
    """The most that a rival loses of the living weights, whenever the target is due."""
    stop: Annotated[Real, Field(gt=0, le=1)] = 0.8
    """The competition ends at this share of training.steps; its winner goes on alone."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """Agents without a target network that the rivals could share; an end before learning."""
        yield from _stops_early(config, self)
        if config.agent.name != "dqn":
            yield (
                "sparsity.methods",
                f"found adaptive with the agent {config.agent.name}; allowed: adaptive with dqn, "
                f"whose networks compete for its target",
            )


@section
class LotteryOptions(Options):
    """Trains again from the first weights, with gradual pruning's final masks."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """Masks that nobody finds."""
        if "gradual" not in config.sparsity.methods:
            yield (
                "sparsity.methods",
                f"found {', '.join(config.sparsity.methods)}; allowed: lottery together with "
                f"gradual, whose final masks it starts from",
            )


@section
class SnipOptions(Options):
    """Prunes at the first update, by the product of weight and gradient (Lee et al. 2019)."""
