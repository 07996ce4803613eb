"""The options of the passes that are built in. Knows no JAX: a mistyped word is refused at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sparse_rl.arithmetics import Arithmetic
from sparse_rl.config.fields import Count, Positive, PositiveCount, Real, Sparsity, section


@section
class PruneOptions:
    """Sets the weights of the smallest magnitude to zero, once and without training."""

    level: Sparsity = 0.9
    """Share of the weights that is zero afterwards."""
    distribution: Literal["erk", "uniform", "er_paper", "global"] = "erk"
    """How the level is spread over the layers."""


@section
class UnitsOptions:
    """Removes whole hidden units and channels, with all that depends on them."""

    level: Sparsity = 0.5
    """Share of the units of each hidden layer that goes."""
    norm: Literal["l1", "l2"] = "l2"
    """Of a unit's incoming weights: those of the smallest norm go."""


@section
class LowRankOptions:
    """Replaces each layer by a product of two narrower ones, by its singular values."""

    level: Sparsity = 0.5
    """Share of each layer's ranks that goes; of n inputs and m outputs there are min(n, m)."""
    ends: Count = 0
    """Least rank of the first and the last layer."""


@section
class DynamicOptions:
    """int8 weights and inputs, each observation's scale found anew; without training."""

    scales: Literal["trained", "layer", "channel"] = "trained"
    """Of weights: one of a dense layer and one of each channel of a convolution, as in training;
    one of a layer; one of each output."""


@section
class WeightOptions(DynamicOptions):
    """Weights in few bits, float32 inputs; without training."""


@section
class IntegerOptions:
    """int8 weights and inputs with fixed powers of two as scales: integer arithmetic throughout."""


@section
class StaticOptions(DynamicOptions):
    """int8 weights and inputs with scales that are fixed on the policy's own episodes."""

    calibration: Literal["minmax", "percentile", "mse"] = "minmax"
    """Of each layer's inputs: the largest; a percentile; the least mean squared error."""
    percentile: Annotated[Real, Field(gt=50, le=100)] = 99.99
    """Of the magnitudes, for calibration=percentile."""


@section
class DistillationOptions:
    """Trains the policy to act as its original does, on observations that it meets itself."""

    level: Sparsity = 0.0
    """Share of the weights that is pruned by magnitude while it learns; zeros stay zero."""
    arithmetic: Arithmetic = "float32"
    """What it is trained in at the end."""
    distribution: Literal["erk", "uniform", "er_paper", "global"] = "erk"
    """How the level is spread over the layers."""
    updates: PositiveCount = 20_000
    """Gradient steps; int8 takes a fifth of it more."""
    batch_size: PositiveCount = 256
    """Observations of one gradient step."""
    learning_rate: Positive = 1e-3
    """Of Adam; it falls to zero in the last two fifths."""
    environments: PositiveCount = 8
    """In which each policy acts; in a quarter of four or more the original acts in its place."""
    updates_per_step: PositiveCount = 4
    """Gradient steps for each step of the environments."""
    capacity: PositiveCount = 40_000
    """The most observations that are kept of each policy."""
