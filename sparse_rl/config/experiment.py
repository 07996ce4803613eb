"""What a run is asked to do: one checked value, before anything is compiled.

Every error is one line that names the key, says what was found and what is allowed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

import yaml
from pydantic import BeforeValidator, Field
from pydantic import model_validator as check
from pydantic_core import ArgsKwargs, PydanticCustomError

from sparse_rl import registry
from sparse_rl.config import consistency
from sparse_rl.config.fields import Count, PositiveCount, section
from sparse_rl.config.interfaces import AgentOptions, NetworkOptions, Problem
from sparse_rl.config.registered import OneOf
from sparse_rl.config.sections import (
    CheckpointConfig,
    DistributedConfig,
    EvaluationConfig,
    LogConfig,
    PopulationConfig,
    QuantizationConfig,
    ReplayConfig,
    SparsityConfig,
    StartConfig,
    TrainingConfig,
)

AGENT = OneOf(registry.AGENTS, "name", "sac")
NETWORK = OneOf(registry.NETWORKS, "torso", "mlp")


def _path(value: object) -> object:
    """A path from Python as its text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _off_or_path(value: object) -> object:
    """The word off without quotation marks is false in YAML."""
    return "off" if value is False else _path(value)


@section
class Config:
    """A whole study: seeds x sparsity levels x {float32, int8} of one agent in one environment."""

    environment: str = "gymnax/Pendulum-v1"
    """SUITE/NAME[?option=value], for example brax/hopper?backend=spring."""
    seeds: Annotated[PositiveCount, Field(le=100_000)] = 10
    """How many seeds."""
    first_seed: Count = 0
    """The seeds are first_seed, first_seed + 1, ..."""
    agent: Annotated[AgentOptions, AGENT] = dataclasses.field(default_factory=AGENT.make)
    network: Annotated[NetworkOptions, NETWORK] = dataclasses.field(default_factory=NETWORK.make)
    replay: ReplayConfig = dataclasses.field(default_factory=ReplayConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    start: StartConfig = dataclasses.field(default_factory=StartConfig)
    sparsity: SparsityConfig = dataclasses.field(default_factory=SparsityConfig)
    quantization: QuantizationConfig = dataclasses.field(default_factory=QuantizationConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    checkpoint: CheckpointConfig = dataclasses.field(default_factory=CheckpointConfig)
    log: LogConfig = dataclasses.field(default_factory=LogConfig)
    population: PopulationConfig = dataclasses.field(default_factory=PopulationConfig)
    distributed: DistributedConfig = dataclasses.field(default_factory=DistributedConfig)
    devices: Annotated[Count, Field(le=1024)] = 0
    """Devices that share the members; 0: all accelerators, or one virtual device per CPU core."""
    compilation_cache: Annotated[str, BeforeValidator(_off_or_path)] = "auto"
    """Keeps compiled programs for the next run: auto (user's cache directory), off, a directory."""
    watch: bool = False
    """Writes the report's page at evaluations, while it trains; it reloads itself."""
    out: Annotated[str, BeforeValidator(_path)] = ""
    """Run directory; empty: runs/ENVIRONMENT-TIME."""
    resume: Annotated[str, BeforeValidator(_path)] = ""
    """Run directory to resume, by its own configuration; empty: a new run."""
    imports: tuple[str, ...] = ()
    """Packages that are imported first: agents, methods, environments that they register."""

    @check(mode="before")
    @classmethod
    def _import(cls, values: Any) -> Any:
        """What the packages register is there before anything is checked against it."""
        given = values.kwargs if isinstance(values, ArgsKwargs) else values
        names = given.get("imports", ()) if isinstance(given, Mapping) else ()
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            try:
                registry.load(names)
            except ValueError as error:  # its line names the package
                raise PydanticCustomError("import", "{line}", {"line": str(error)}) from None
        return values

    @check(mode="after")
    def _is_possible(self) -> Self:
        for key, problem in consistency.problems(self):
            raise ValueError(f"{key}: {problem}")
        return self

    def partial_updates(self, key: str, length: int) -> Iterator[Problem]:
        """Refuses a length, in environment steps, that is no whole number of updates."""
        whole = self.steps_per_update
        if length % whole:
            rhythm = self.agent.rhythm
            if self.training.environments > 1:
                rhythm += " * training.environments"
            yield key, f"found {length}; allowed: a multiple of {rhythm}, {whole}"

    @property
    def steps_per_update(self) -> int:
        """Environment steps of one member between updates."""
        return self.agent.steps_per_update(self)

    @property
    def prefill_steps(self) -> int:
        """Steps of one member with uniformly random actions, before anything is learned."""
        return self.agent.prefill_steps(self)

    @property
    def log_every(self) -> int:
        """Steps of one member between two points of the curves of losses."""
        whole = self.steps_per_update
        return self.log.every or max(self.evaluation.every // 5 // whole, 1) * whole

    @property
    def first_step(self) -> int:
        """The step at which members begin to learn, alone or on from another run's end."""
        return max(self.prefill_steps, self.start.step)

    def whole_updates(self, fraction: float) -> int:
        """A share of the steps of training, rounded to whole updates."""
        whole = self.steps_per_update
        return round((self.training.steps - self.start.step) * fraction / whole) * whole

    def step_at(self, fraction: float) -> int:
        """The step at which this share of training is over, with whole updates."""
        return self.start.step + self.whole_updates(fraction)

    @property
    def prune_begin(self) -> int:
        """t_s: the step at which the arms fork and pruning begins."""
        return self.step_at(self.sparsity.begin)

    @property
    def prune_end(self) -> int:
        """The last step at which a mask may change."""
        return self.step_at(self.sparsity.end)

    @property
    def quantize_end(self) -> int:
        """The step at which the quantized arms are done."""
        return self.training.steps + self.whole_updates(self.quantization.fraction)

    @property
    def seed_numbers(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)

    def digest(self) -> str:
        """Twelve hexadecimal digits that name the experiment, however it is run."""
        return hashlib.sha256(_yaml(self.experiment()).encode()).hexdigest()[:12]

    def experiment(self) -> dict[str, Any]:
        """What decides the results, as nested mappings, however it is run.

        Devices, groups, checkpoints, logs, pages, kept programs and directories have no part in it.
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
        values = to_mapping(experiment)
        del values["start"]["run"]  # wherever it is
        for key in (
            "compilation_cache",
            "log",
            "watch",
        ):  # which runs of earlier versions did not have
            del values[key]
        _drop_defaults_of_later_versions(values)
        return values


_LATER: dict[str, Any] = {
    "agent.critic_layer_norm": False,
    "agent.learning_rate_decay": 0.0,
    "network.normalize": False,
    "network.activation": "relu",
    "network.layer_norm": False,
    "network.initializer": "uniform",
    "training.precision": "float32",
    "replay.n_step_begin": 0,
    "population.cohort": 0,
    "replay.empty_at": [],
    "replay.empty_after_pruning": False,
    "replay.most_distance": 0.0,
    "replay.distance_every": 10_000,
    "replay.least": 200_000,
    "sparsity.gradual.score": "magnitude",
    "sparsity.gradual": {},
    "training.environments": 1,
    "sparsity.critic_levels": [0.0],
    "sparsity.methods": ["gradual"],
    "start": {"step": 0, "experiment": ""},
    "checkpoint.keep_dense": False,
    "imports": [],
}


def _drop_defaults_of_later_versions(values: dict[str, Any]) -> None:
    """What did not exist and changes nothing by default leaves the digests of old runs alone."""
    for key, default in _LATER.items():
        *path, last = key.split(".")
        part = values
        for name in path:
            part = part.get(name, {})
        if last in part and part[last] == default:
            del part[last]


def to_mapping(config: Config) -> dict[str, Any]:
    """Nested mappings of plain values, which `from_mapping` reads back into an equal `Config`."""
    values: dict[str, Any] = _plain(dataclasses.asdict(config))
    methods = values["sparsity"].pop("of_methods")
    values["sparsity"] |= {name: part for name, part in methods if part}
    return values


def to_yaml(config: Config) -> str:
    """The YAML that `from_yaml` reads back into an equal `Config`."""
    return _yaml(to_mapping(config))


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
