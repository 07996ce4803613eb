"""Gradual magnitude pruning (Zhu and Gupta 2017, arXiv 1710.01878).

Its parts can be exchanged: when and how much (`CubicSchedule`), which weights (`score`), per layer
or by one threshold (`select`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.cubic import cubic_share
from sparse_rl.sparsity.masks import Masks, Params, Prune
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.options import GradualOptions
from sparse_rl.sparsity.scores import Score, lamp, magnitude


class CubicSchedule(NamedTuple):
    """The gradual schedule of Zhu and Gupta (2017), equation 1, on the paper's grid of steps.

    The share of the final sparsity that is reached at step t of the grid
    {t_s, t_s + dt, ..., t_s + n dt} is

        s_t / s_f = 1 - (1 - (t - t_s) / (n dt))^3

    with t_s = `begin`, dt = `interval` and t_s + n dt = `end`. Where `interval` does not divide
    the span, the last step of the grid is `end` itself, so that the final sparsity is reached.
    """

    begin: int
    end: int
    interval: int

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether the masks change at this step."""
        on_grid = (clock - self.begin) % self.interval == 0
        inside = (clock >= self.begin) & (clock <= self.end)
        return (on_grid & inside) | (clock == self.end)

    def share(self, clock: Int[Array, ""]) -> Float[Array, ""]:
        """s_t / s_f, from 0 at `begin` to exactly 1 at `end`; 0 before and 1 after."""
        progress = (clock - self.begin) / (self.end - self.begin)
        return cubic_share(jnp.clip(progress, 0.0, 1.0))


@dataclass(frozen=True)
class Gradual:
    """Dense at first, then sparser along the schedule: all of a `Method` but `update`."""

    schedule: CubicSchedule
    needs_gradients: ClassVar[bool] = False

    @property
    def begin(self) -> int:
        return self.schedule.begin

    @property
    def end(self) -> int:
        return self.schedule.end

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """Dense."""
        return mask_rules.dense(params)

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        return self.schedule.is_due(clock)


@dataclass(frozen=True)
class GradualPruning(Gradual):
    """At each due step the lowest scores go for good."""

    select: Prune = mask_rules.prune_per_layer
    score: Score = magnitude

    def update(self, network: Pruned, clock: Int[Array, ""]) -> Masks:
        """The masks of this step, when `is_due(clock)`.

        So many weights as are dead in the end, times the schedule's share, are dead now, to the
        nearest weight. At the end the share is exactly 1, and float32 holds every count below
        2^24: the final sparsity is exact to one weight.
        """
        share = self.schedule.share(clock)
        now = jnp.rint(network.target_counts * share).astype(jnp.int32)
        return self.select(network.masks, self.score(network.params), now)


def build(options: GradualOptions, config: Config) -> GradualPruning:
    """As `sparsity` of a configuration says; LAMP compares the weights of all layers."""
    schedule = schedule_of(config)
    if options.score == "lamp":
        return GradualPruning(schedule, mask_rules.prune_globally, lamp)
    return GradualPruning(schedule, mask_rules.pruning_of(config.sparsity.distribution))


def schedule_of(config: Config) -> CubicSchedule:
    """From `sparsity.begin` to `sparsity.end`, every `sparsity.interval`."""
    return CubicSchedule(config.prune_begin, config.prune_end, config.sparsity.interval)
