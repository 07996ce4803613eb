"""The options of the sparsity methods that are built in. Knows no JAX: --help reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparse_rl.config.fields import Fraction, Real, section
from sparse_rl.config.interfaces import MethodOptions, Options, Problem

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config


@section
class GradualOptions(MethodOptions):
    """Gradual magnitude pruning (Zhu and Gupta 2017); all it needs stands in `sparsity`."""


@section
class OneShotOptions(Options):
    """Prunes all at once by magnitude, then fine-tunes."""

    at: Fraction = 0.8
    """When, as a share of training.steps."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """A time before learning starts."""
        at = config.whole_updates(self.at)
        if at - config.steps_per_update < config.training.learning_starts:
            yield (
                "sparsity.one_shot.at",
                f"found {self.at:g}, step {at}; allowed: after the first update, which follows "
                f"training.learning_starts",
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


@section
class SnipOptions(Options):
    """Prunes at the first update, by the product of weight and gradient (Lee et al. 2019)."""
