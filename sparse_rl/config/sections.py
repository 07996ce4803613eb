"""The sections of a configuration that are the same whatever is registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, Self

from pydantic import Field
from pydantic import model_validator as check
from pydantic_core import ArgsKwargs

from sparse_rl.arithmetics import Quantized
from sparse_rl.config.fields import (
    Count,
    Episodes,
    Fraction,
    NonNegative,
    PositiveCount,
    Real,
    Sparsity,
    section,
)
from sparse_rl.config.registered import EachOf, NameIn
from sparse_rl.registry import METHODS


@section
class ReplayConfig:
    """The replay buffer; one per member of the population."""

    capacity: PositiveCount = 1_000_000
    """Steps that a buffer holds; the oldest are overwritten."""
    batch_size: PositiveCount = 256
    """Transitions per gradient step."""
    n_step: Annotated[PositiveCount, Field(le=100)] = 1
    """Rewards summed before the target bootstraps."""
    n_step_begin: Count = 0
    """Before this step targets sum one reward, from then on n_step of them."""
    empty_at: tuple[PositiveCount, ...] = ()
    """Steps at which all but the last batch_size steps are forgotten."""
    empty_after_pruning: bool = False
    """The same where pruning ends, after sparsity.end of training.steps."""
    most_distance: NonNegative = 0.0
    """How far the policy's actions may be from those of the oldest steps before a tenth of the
    buffer is forgotten (RLx2: 0.2); 0: nothing is. For continuous actions."""
    distance_every: PositiveCount = 10_000
    """Steps between looks at that distance."""
    least: PositiveCount = 200_000
    """The fewest steps to which most_distance may shorten the buffer."""


@section
class TrainingConfig:
    """The length of training and its rhythm, in environment steps of one member."""

    steps: PositiveCount = 1_000_000
    """T: dense, pruning and fine-tuning together; quantization comes on top."""
    learning_starts: PositiveCount = 10_000
    """Steps of uniformly random actions before the first update."""
    train_frequency: PositiveCount = 1
    """Environment steps between updates."""
    gradient_steps: PositiveCount = 1
    """Gradient steps per update."""
    environments: Annotated[PositiveCount, Field(le=65_536)] = 1
    """Environments in which each member acts side by side; all their steps count."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of the factors of the networks' products, on a GPU; a CPU has float32 only."""


@section
class StartConfig:
    """Where members begin: as new ones, or as the dense ones that another run has kept.

    Filled in where the directory of such a run is named in an experiment's place."""

    run: str = ""
    """Run directory whose dense members go on; empty: new members."""
    step: Count = 0
    """The step of training at which they were kept."""
    experiment: str = ""
    """The digest of that run's configuration."""


@section
class SparsityConfig:
    """Which levels are trained, and how the masks come about."""

    levels: Annotated[tuple[Sparsity, ...], Field(min_length=1)] = (0.0, 0.9, 0.95, 0.98)
    """Final sparsities, one arm each; 0 is the dense network to compare with."""
    critic_levels: Annotated[tuple[Sparsity, ...], Field(min_length=1)] = (0.0,)
    """Final sparsities of the critics, each with every one of the levels."""
    methods: Annotated[tuple[Annotated[str, NameIn(METHODS)], ...], Field(min_length=1)] = (
        "gradual",
    )
    """Sparsity methods; each of several has variants of its own."""
    distribution: Literal["uniform", "erk", "er_paper", "global"] = "erk"
    """How a level is spread over the layers (uniform is what Ivanov et al. 2024 did)."""
    begin: Fraction = 0.2
    """Pruning begins after this share of training.steps (of those after start.step)."""
    end: Fraction = 0.8
    """Pruning ends, and fine-tuning begins, after this share of training.steps."""
    interval: PositiveCount = 1_000
    """Environment steps between mask updates."""
    of_methods: Annotated[tuple[tuple[str, Any], ...], EachOf(METHODS)] = ()

    @property
    def prunes(self) -> bool:
        return self.prunes_critics or any(level > 0 for level in self.levels)

    @property
    def prunes_critics(self) -> bool:
        return any(level > 0 for level in self.critic_levels)

    @check(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        """The sections that are named after methods, into one field: `rigl: {...}`."""
        in_python = isinstance(values, ArgsKwargs)
        given = values.kwargs if in_python else values
        if not isinstance(given, Mapping):
            return values
        if "of_methods" in given and not in_python:
            raise ValueError("of_methods: unknown key; allowed: a section named after the method")
        own = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        named = {key: given[key] for key in given if key not in own and key in METHODS}
        methods = given.get("methods", ("gradual",))
        known = isinstance(methods, list | tuple) and all(name in METHODS for name in methods)
        for name in named:
            if known and name not in methods:
                raise ValueError(
                    f"{name}: found options of a method that is not used; "
                    f"allowed: those of sparsity.methods, {', '.join(methods)}"
                )
        rest = {key: value for key, value in given.items() if key not in named}
        if named:
            rest["of_methods"] = {**dict(rest.get("of_methods") or ()), **named}
        return ArgsKwargs(values.args, rest) if in_python else rest

    @check(mode="after")
    def _complete(self) -> Self:
        """Every method's options, in the order of the methods, and no others."""
        given = dict(self.of_methods)
        every = tuple((name, given.get(name) or METHODS.options(name)()) for name in self.methods)
        object.__setattr__(self, "of_methods", every)
        return self

    def options_of(self, method: str) -> Any:
        """The options of one of the `methods`, an instance of the class it is registered with."""
        return dict(self.of_methods)[method]


@section
class QuantizationConfig:
    """The int8 arms: each sparsity level is trained on, quantized, after training.steps."""

    modes: tuple[Quantized, ...] = ("int8",)
    """int8w: weights only; int8: activations too, with a scale found anew for each observation;
    integer: activations too, with fixed powers of two; empty: no quantized arms."""
    fraction: Annotated[Real, Field(gt=0, le=10)] = 0.2
    """Length of quantization-aware training as a share of training.steps."""


@section
class EvaluationConfig:
    """Return of the deterministic policy, measured apart from training."""

    every: PositiveCount = 10_000
    """Environment steps between evaluations."""
    episodes: Episodes = 20
    """Episodes per evaluation and member."""
    final_episodes: Episodes = 100
    """Episodes of each arm's last evaluation, the one that the tables use."""


@section
class CheckpointConfig:
    """What is written so that an interrupted run can be resumed."""

    every: NonNegative = 10.0
    """Time between checkpoints, in checkpoint.unit; 0: only when interrupted."""
    unit: Literal["minutes", "steps"] = "minutes"
    """Minutes of training, or environment steps of one member."""
    replay: Literal["full", "compressed", "none"] = "full"
    """none leaves the replay buffers out: a resumed run refills them, and differs from then on."""
    keep: PositiveCount = 2
    """Checkpoints kept; older ones go once a new one is complete."""
    keep_dense: bool = False
    """Leaves the dense members, as they are after training.steps, for studies that go on there."""


@section
class LogConfig:
    """How often curves have a point, and where they can be watched besides TensorBoard."""

    every: Count = 0
    """Steps between two points of losses and training returns; 0: a fifth of evaluation.every."""
    wandb: bool = False
    """Weights & Biases too (extra wandb): one of its runs for each arm and seed."""
    project: str = "sparse_rl"
    """The project there."""


@section
class PopulationConfig:
    """How the members are brought through training."""

    split: PositiveCount = 1
    """Groups in which the sparsity levels are trained, one after the other, to save memory."""
    cohort: Count = 0
    """Members that a core has at a time, one cohort after the other; 0: as many as its cache holds.

    On a GPU 0 is all of them.
    """


@section
class DistributedConfig:
    """Several processes that share the members; Slurm's are found without any of these."""

    coordinator: str = ""
    """Address of process 0, HOST:PORT; empty: one process, or what Slurm says."""
    processes: PositiveCount = 1
    """How many processes there are."""
    index: Count = 0
    """Which of them this one is."""
