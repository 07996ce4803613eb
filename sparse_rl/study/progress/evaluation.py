"""One evaluation of a population, as a record: what each seed of each variant got."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sparse_rl.study.phases import Phase
from sparse_rl.summary.estimates import interquartile_mean

Metrics = dict[str, np.ndarray]
"""One value per member, also for those that only fill up the devices; nan: no value."""


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found.

    Attributes:
        phase: the phase's label, such as "prune" or "quantize int8".
        step: environment steps of each member so far.
        final: whether it is the last one of these variants, with its own number of episodes, whose
            returns the tables use.
        returns: variant -> seed -> mean return over the episodes; nan where the seed has failed.
            At the end of the prefill it is the return of acting at random, nan where no
            episode has ended yet.
        sparsity: variant -> share of the policy's weights that are zero now, mean over seeds.
        failed: variant -> how many seeds have failed.
        random: whether actions were random, not the policies': in the prefill.
    """

    phase: str
    step: int
    final: bool
    returns: Mapping[str, Mapping[int, float]]
    sparsity: Mapping[str, float]
    failed: Mapping[str, int]
    random: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """The returns as a table: a row for each seed, a column for each variant."""
        return pd.DataFrame(self.returns).rename_axis(index="seed", columns="variant")

    @cached_property
    def means(self) -> dict[str, float]:
        """The interquartile mean over seeds of each variant; nan where none has a return."""
        return {name: _mean(list(own.values())) for name, own in self.returns.items()}

    @cached_property
    def lowest(self) -> dict[str, float]:
        """The return of each variant's worst seed; nan where none has a return."""
        return {name: min(_finite(own), default=math.nan) for name, own in self.returns.items()}


def evaluation_of(phase: Phase, step: int, metrics: Metrics, final: bool = False) -> Evaluation:
    """The record of a phase's members, from what was measured of them."""
    nothing = np.full(len(phase.members), np.nan)
    values = metrics.get("return", metrics.get("train_return", nothing))
    returns: dict[str, dict[int, float]] = {}
    sparsity: dict[str, list[float]] = {}
    failed: dict[str, int] = {}
    for i, member in enumerate(phase.members):
        name = member.variant.name
        returns.setdefault(name, {})[member.seed] = float(values[i])
        sparsity.setdefault(name, []).append(float(metrics["sparsity"][i]))
        failed[name] = failed.get(name, 0) + (metrics.get("failed", nothing)[i] == 1)
    shares = {name: float(np.mean(own)) for name, own in sparsity.items()}
    counts = {name: int(count) for name, count in failed.items()}
    return Evaluation(
        phase.label, step, final, returns, shares, counts, random=phase.acts_at_random
    )


def _finite(returns: Mapping[int, float]) -> list[float]:
    return [value for value in returns.values() if math.isfinite(value)]


def _mean(returns: list[float]) -> float:
    finite = [value for value in returns if math.isfinite(value)]
    return float(interquartile_mean(finite)) if finite else math.nan
