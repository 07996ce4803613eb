"""What a run is asked to do: frozen dataclasses, one per room, checked before anything is compiled.

Every error is one line that names the key, says what was found and what is allowed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import numbers
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)
from pydantic import model_validator as check
from pydantic.dataclasses import dataclass

from sparse_rl.config import options
from sparse_rl.config.error import show


def _whole_number(value: object) -> object:
    """Accept 1e6 where a count is meant: YAML and the shell hand it over as a float or a string."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    if isinstance(value, numbers.Integral):  # NumPy's too
        return int(value)
    if isinstance(value, str):
        try:
            value = float(value) if not value.lstrip("+-").isdigit() else int(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _real_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("not a number")
    try:
        return float(value) if isinstance(value, numbers.Real) else value
    except OverflowError:
        raise ValueError("too large") from None


Whole = Annotated[int, BeforeValidator(_whole_number), Field(le=options.LARGEST)]
Count = Annotated[Whole, Field(ge=0)]
PositiveCount = Annotated[Whole, Field(ge=1)]
Real = Annotated[float, BeforeValidator(_real_number), Field(allow_inf_nan=False)]
Fraction = Annotated[Real, Field(ge=0, le=1)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Sparsity = Annotated[Real, Field(ge=0, lt=1), AfterValidator(abs)]  # -0.0 is 0
Quantization = Literal["float32", "int8w", "int8"]

# The docstrings below the fields are what --help shows.
_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, config=_STRICT)
class SACConfig:
    """Soft actor-critic (Haarnoja et al. 2018) with Stable-Baselines3's defaults."""

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


@dataclass(frozen=True, config=_STRICT)
class DQNConfig:
    """Deep Q-learning (Mnih et al. 2015) with Stable-Baselines3's semantics."""

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


@dataclass(frozen=True, config=_STRICT)
class NetworkConfig:
    """The policy's network: SAC's actor or the Q network. SAC's critics have its hidden sizes."""

    torso: Literal["mlp", "minatar", "nature", "impala"] = "mlp"
    """mlp; minatar (one 3x3 convolution), nature (Mnih et al.), impala (residual)."""
    hidden: tuple[PositiveCount, ...] = (256, 256)
    """Units of the hidden dense layers."""


@dataclass(frozen=True, config=_STRICT)
class ReplayConfig:
    """The replay ring; one per member of the population."""

    capacity: PositiveCount = 1_000_000
    """Steps that a ring holds; the oldest are overwritten."""
    batch_size: PositiveCount = 256
    """Transitions per gradient step."""
    n_step: Annotated[PositiveCount, Field(le=100)] = 1
    """Rewards summed before the target bootstraps."""


@dataclass(frozen=True, config=_STRICT)
class TrainingConfig:
    """The length of training and its rhythm, in environment steps of one member."""

    steps: PositiveCount = 1_000_000
    """T: dense, pruning and fine-tuning together; quantisation comes on top."""
    learning_starts: PositiveCount = 10_000
    """Steps of uniformly random actions before the first update."""
    train_frequency: PositiveCount = 1
    """Environment steps between updates."""
    gradient_steps: PositiveCount = 1
    """Gradient steps per update."""


@dataclass(frozen=True, config=_STRICT)
class SparsityConfig:
    """Which levels are trained, and how the masks come about."""

    levels: Annotated[tuple[Sparsity, ...], Field(min_length=1)] = (0.0, 0.9, 0.95, 0.98)
    """Final sparsities, one arm each; 0 is the dense network to compare with."""
    distribution: Literal["uniform", "erk", "er_paper", "global"] = "uniform"
    """How a level is spread over the layers."""
    begin: Fraction = 0.2
    """Pruning begins after this share of training.steps."""
    end: Fraction = 0.8
    """Pruning ends, and fine-tuning begins, after this share of training.steps."""
    interval: PositiveCount = 1_000
    """Environment steps between mask updates."""


@dataclass(frozen=True, config=_STRICT)
class QuantizationConfig:
    """The int8 arms: each sparsity level is trained on, quantised, after training.steps."""

    modes: tuple[Literal["int8w", "int8"], ...] = ("int8",)
    """int8w: weights only; int8: weights and activations; empty: no quantised arms."""
    fraction: Annotated[Real, Field(gt=0, le=10)] = 0.2
    """Length of quantisation-aware training as a share of training.steps."""


@dataclass(frozen=True, config=_STRICT)
class EvaluationConfig:
    """Return of the deterministic policy, measured apart from training."""

    every: PositiveCount = 10_000
    """Environment steps between evaluations."""
    episodes: PositiveCount = 20
    """Episodes per evaluation and member."""
    final_episodes: PositiveCount = 100
    """Episodes of each arm's last evaluation, the one that the tables use."""


@dataclass(frozen=True, config=_STRICT)
class CheckpointConfig:
    """What is written so that an interrupted run can go on with --resume."""

    every: NonNegative = 10.0
    """Time between checkpoints, in checkpoint.unit; 0: only when interrupted."""
    unit: Literal["minutes", "steps"] = "minutes"
    """Minutes of training, or environment steps of one member."""
    replay: Literal["full", "compressed", "none"] = "full"
    """none leaves the rings out: a resumed run refills them first, and differs from then on."""
    keep: PositiveCount = 2
    """Checkpoints kept; older ones go once a new one is complete."""


@dataclass(frozen=True, config=_STRICT)
class LogConfig:
    """Where curves can be watched besides TensorBoard, whose event files are always written."""

    wandb: bool = False
    """Weights & Biases too (extra wandb): one of its runs for each arm and seed."""
    project: str = "sparse_rl"
    """The project there."""


@dataclass(frozen=True, config=_STRICT)
class PopulationConfig:
    """How the members are brought through training."""

    split: PositiveCount = 1
    """Groups in which the sparsity levels are trained, one after the other, to save memory."""


@dataclass(frozen=True, config=_STRICT)
class DistributedConfig:
    """Several processes that share the members; Slurm's are found without any of these."""

    coordinator: str = ""
    """Address of process 0, HOST:PORT; empty: one process, or what Slurm says."""
    processes: PositiveCount = 1
    """How many processes there are."""
    index: Count = 0
    """Which of them this one is."""


def _agent_name(value: object) -> str | None:
    """Which of the agents is meant: the named one, SAC where none is named, None where neither."""
    name = value.get("name", "sac") if isinstance(value, Mapping) else getattr(value, "name", None)
    return name if isinstance(name, str) else None


@dataclass(frozen=True, config=_STRICT)
class Config:
    """A whole study: seeds x sparsity levels x {float32, int8} of one agent in one environment."""

    environment: str = "gymnax/Pendulum-v1"
    """SUITE/NAME[?option=value], for example brax/hopper?backend=spring."""
    seeds: Annotated[PositiveCount, Field(le=100_000)] = 10
    """How many seeds."""
    first_seed: Count = 0
    """The seeds are first_seed, first_seed + 1, ..."""
    agent: Annotated[
        Annotated[SACConfig, Tag("sac")] | Annotated[DQNConfig, Tag("dqn")],
        Discriminator(_agent_name),
    ] = dataclasses.field(default_factory=SACConfig)
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    replay: ReplayConfig = dataclasses.field(default_factory=ReplayConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    sparsity: SparsityConfig = dataclasses.field(default_factory=SparsityConfig)
    quantization: QuantizationConfig = dataclasses.field(default_factory=QuantizationConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    checkpoint: CheckpointConfig = dataclasses.field(default_factory=CheckpointConfig)
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    population: PopulationConfig = dataclasses.field(default_factory=PopulationConfig)
    distributed: DistributedConfig = dataclasses.field(default_factory=DistributedConfig)
    devices: Annotated[Count, Field(le=1024)] = 0
    """Devices that share the members; 0: all accelerators, or one virtual device per CPU core."""
    compilation_cache: str = "auto"
    """Keeps compiled programs for the next run: auto (user's cache directory), off, a directory."""
    out: str = ""
    """Run directory; empty: runs/ENVIRONMENT-TIME."""
    resume: str = ""
    """Run directory to go on with, by its own configuration; empty: a new run."""

    @check(mode="after")
    def _is_possible(self) -> Self:
        for key, problem in self._impossible():
            raise ValueError(f"{key}: {problem}")
        return self

    def _impossible(self) -> Iterator[tuple[str, str]]:
        """What the parts do not say of themselves: keys, and why their values do not fit others."""
        training, sparsity, replay = self.training, self.sparsity, self.replay
        begin, end = self.prune_begin, self.prune_end
        if training.steps > 2**30:
            yield "training.steps", f"found {training.steps}; allowed: at most 2**30, {2**30}"
        if self.quantize_end > options.LARGEST:
            yield (
                "quantization.fraction",
                f"found {self.quantization.fraction:g}, which ends at step {self.quantize_end}; "
                f"allowed: an end before step 2**31, {2**31}",
            )
        if self.first_seed + self.seeds - 1 > options.LARGEST:
            yield (
                "first_seed",
                f"found {self.first_seed} with {self.seeds} seeds; allowed: seeds below 2**31",
            )
        if begin >= end:
            yield (
                "sparsity.end",
                f"found {sparsity.end:g}: pruning ends at step {end}, not after it begins at step "
                f"{begin}; allowed: sparsity.begin < sparsity.end <= 1",
            )
        if training.learning_starts > begin:
            yield (
                "training.learning_starts",
                f"found {training.learning_starts}, after pruning begins at step {begin}; "
                f"allowed: at most sparsity.begin * training.steps",
            )
        if sparsity.interval > end - begin:
            yield (
                "sparsity.interval",
                f"found {sparsity.interval}, longer than the pruning phase; "
                f"allowed: at most {end - begin}",
            )
        if self.quantization.modes and self.quantize_end == training.steps:
            yield (
                "quantization.fraction",
                f"found {self.quantization.fraction:g}, not one update of training.steps; "
                f"allowed: more, or no quantization.modes",
            )
        yield from self._out_of_rhythm()
        if replay.batch_size >= replay.capacity:
            yield (
                "replay.batch_size",
                f"found {replay.batch_size}, which does not fit a ring of {replay.capacity}; "
                f"allowed: less than replay.capacity",
            )
        if replay.n_step >= min(replay.capacity, training.learning_starts):
            yield (
                "replay.n_step",
                f"found {replay.n_step}; allowed: less than replay.capacity, {replay.capacity}, "
                f"and training.learning_starts, {training.learning_starts}",
            )
        if 0.0 not in sparsity.levels:
            yield (
                "sparsity.levels",
                f"found {show(list(sparsity.levels))}; allowed: a list with 0, the dense network "
                f"that all others are compared with",
            )
        names = [f"{level:g}" for level in sparsity.levels]
        if len(set(names)) < len(names) or "1" in names:
            yield (
                "sparsity.levels",
                f"found {show(list(sparsity.levels))}; allowed: levels below 1 that differ in "
                f"their first six digits, by which arms are named",
            )
        if len(set(self.quantization.modes)) < len(self.quantization.modes):
            yield (
                "quantization.modes",
                f"found {show(list(self.quantization.modes))}; allowed: each mode once",
            )
        if self.population.split > len(sparsity.levels):
            yield (
                "population.split",
                f"found {self.population.split}; allowed: at most one group per sparsity level, "
                f"{len(sparsity.levels)}",
            )
        if self.distributed.index >= self.distributed.processes:
            yield (
                "distributed.index",
                f"found {self.distributed.index}; allowed: less than distributed.processes, "
                f"{self.distributed.processes}",
            )
        if self.distributed.processes > 1 and not self.distributed.coordinator:
            yield "distributed.coordinator", "found none for several processes; allowed: HOST:PORT"
        for key in ("compilation_cache", "out", "resume"):
            path = getattr(self, key)
            if "\0" in path:
                yield key, f"found {show(path)}; allowed: a path, without null characters"

    def _out_of_rhythm(self) -> Iterator[tuple[str, str]]:
        """Lengths and intervals that are not whole numbers of updates."""
        frequency = self.training.train_frequency
        rhythm = {
            "training.steps": self.training.steps,
            "training.learning_starts": self.training.learning_starts,
            "sparsity.interval": self.sparsity.interval,
            "evaluation.every": self.evaluation.every,
        }
        if isinstance(self.agent, DQNConfig):
            rhythm["agent.target_interval"] = self.agent.target_interval
        for key, value in rhythm.items():
            if value % frequency:
                yield (
                    key,
                    f"found {value}; allowed: a multiple of training.train_frequency, {frequency}",
                )

    def _steps(self, fraction: float) -> int:
        """A share of training.steps, rounded to whole updates."""
        frequency = self.training.train_frequency
        return round(self.training.steps * fraction / frequency) * frequency

    @property
    def prune_begin(self) -> int:
        """t_s: the step at which the arms fork and pruning begins."""
        return self._steps(self.sparsity.begin)

    @property
    def prune_end(self) -> int:
        """The last step at which a mask may change."""
        return self._steps(self.sparsity.end)

    @property
    def quantize_end(self) -> int:
        """The step at which the quantised arms are done."""
        return self.training.steps + self._steps(self.quantization.fraction)

    @property
    def seed_numbers(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)

    def digest(self) -> str:
        """Twelve hexadecimal digits that name the experiment, however it is run.

        Devices, groups, checkpoints, logs, kept programs and directories have no part in it.
        """
        experiment = dataclasses.replace(
            self,
            checkpoint=CheckpointConfig(),
            population=PopulationConfig(),
            distributed=DistributedConfig(),
            devices=0,
            out="",
            resume="",
        )
        values = dataclasses.asdict(experiment)
        for key in ("compilation_cache", "log"):  # which runs of earlier versions did not have
            del values[key]
        return hashlib.sha256(_yaml(values).encode()).hexdigest()[:12]


def to_yaml(config: Config) -> str:
    """The YAML that `from_yaml` reads back into an equal `Config`."""
    return _yaml(dataclasses.asdict(config))


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(_plain(values), sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
