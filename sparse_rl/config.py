"""What a run is asked to do: frozen dataclasses, one per room, checked before anything is compiled.

Every error is one line that names the key, says what was found and what is allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic import model_validator as check
from pydantic.dataclasses import dataclass


class ConfigError(ValueError):
    """A configuration that cannot be run; the message is one line that names the key."""


def _whole_number(value: object) -> object:
    """Accept 1e6 where a count is meant: YAML and the shell hand it over as a float or a string."""
    if isinstance(value, bool):
        raise ValueError("expected a whole number, not true or false")
    if isinstance(value, str):
        try:
            value = float(value) if not value.lstrip("+-").isdigit() else int(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _real_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


Count = Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=2**31 - 1)]
PositiveCount = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=2**31 - 1)]
Real = Annotated[float, BeforeValidator(_real_number), Field(allow_inf_nan=False)]
Fraction = Annotated[Real, Field(ge=0, le=1)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Sparsity = Annotated[Real, Field(ge=0, lt=1)]
Quantization = Literal["float32", "int8w", "int8"]

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class SACConfig:
    """Soft actor-critic (Haarnoja et al. 2018) with Stable-Baselines3's defaults."""

    name: Literal["sac"] = "sac"
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
    """The policy's network (SAC: actor; DQN: Q network); SAC's critics use the same hidden sizes."""

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
class Config:
    """A whole study: seeds x sparsity levels x {float32, int8} of one agent in one environment."""

    environment: str = "gymnax/Pendulum-v1"
    """SUITE/NAME[?option=value], for example brax/hopper?backend=spring."""
    seeds: Annotated[PositiveCount, Field(le=100_000)] = 10
    """How many seeds."""
    first_seed: Count = 0
    """The seeds are first_seed, first_seed + 1, ..."""
    agent: Annotated[SACConfig | DQNConfig, Field(discriminator="name")] = dataclasses.field(
        default_factory=SACConfig
    )
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    replay: ReplayConfig = dataclasses.field(default_factory=ReplayConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    sparsity: SparsityConfig = dataclasses.field(default_factory=SparsityConfig)
    quantization: QuantizationConfig = dataclasses.field(default_factory=QuantizationConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    devices: Count = 0
    """Devices that share the members; 0: all accelerators, or one virtual device per CPU core."""
    out: str = ""
    """Run directory; empty: runs/ENVIRONMENT-TIME."""

    @check(mode="after")
    def _is_possible(self) -> Self:
        training, sparsity, replay = self.training, self.sparsity, self.replay
        frequency = training.train_frequency
        if training.steps > 2**30:
            raise ValueError(f"training.steps: {training.steps} is more than the clock holds, 2**30")
        begin, end = self.prune_begin, self.prune_end
        if begin >= end:
            raise ValueError(
                f"sparsity.end: pruning ends at {sparsity.end:g} of training.steps, before or as it "
                f"begins at {sparsity.begin:g}; allowed: sparsity.begin < sparsity.end <= 1"
            )
        if training.learning_starts > begin:
            raise ValueError(
                f"training.learning_starts: {training.learning_starts} is after pruning begins at "
                f"step {begin}; allowed: at most sparsity.begin * training.steps"
            )
        if sparsity.interval > end - begin:
            raise ValueError(
                f"sparsity.interval: {sparsity.interval} is longer than the pruning phase; "
                f"allowed: at most {end - begin}"
            )
        rhythm = {
            "training.steps": training.steps,
            "training.learning_starts": training.learning_starts,
            "sparsity.interval": sparsity.interval,
            "evaluation.every": self.evaluation.every,
        }
        if isinstance(self.agent, DQNConfig):
            rhythm["agent.target_interval"] = self.agent.target_interval
        for key, value in rhythm.items():
            if value % frequency:
                raise ValueError(
                    f"{key}: {value} is not a multiple of training.train_frequency, {frequency}"
                )
        if replay.batch_size >= replay.capacity:
            raise ValueError(
                f"replay.batch_size: a batch of {replay.batch_size} does not fit a ring of "
                f"{replay.capacity}; allowed: less than replay.capacity"
            )
        if replay.n_step >= min(replay.capacity, training.learning_starts):
            raise ValueError(
                f"replay.n_step: {replay.n_step}; allowed: less than replay.capacity and "
                f"training.learning_starts"
            )
        if 0.0 not in sparsity.levels:
            raise ValueError(
                f"sparsity.levels: {list(sparsity.levels)} lacks 0, the dense network that all "
                f"others are compared with"
            )
        for key, values in {
            "sparsity.levels": sparsity.levels,
            "quantization.modes": self.quantization.modes,
        }.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{key}: {list(values)} names one value twice")
        return self

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
        """Twelve hexadecimal digits that name the experiment, whatever its directory or devices."""
        experiment = dataclasses.replace(self, out="", devices=0)
        return hashlib.sha256(to_yaml(experiment).encode()).hexdigest()[:12]


def from_mapping(values: Mapping[str, Any]) -> Config:
    """A checked `Config` from nested mappings. Raises `ConfigError`, one line."""
    try:
        return TypeAdapter(Config).validate_python(dict(values))
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None


def to_yaml(config: Config) -> str:
    """The YAML that `from_yaml` reads back into an equal `Config`."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False)


def from_yaml(text: str) -> Config:
    """A checked `Config` from YAML text. Raises `ConfigError`, one line."""
    return from_mapping(read_mapping(text))


def read_mapping(text: str, source: str = "configuration") -> dict[str, Any]:
    """YAML text as a nested dict, not yet checked. Raises `ConfigError`, one line."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", "") or "not YAML").replace("\n", " ")
        raise ConfigError(f"{source}{where}: {problem}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected keys and values, found {type(values).__name__}")
    return values


def find(name: str) -> Path:
    """The YAML file that `name` means: a path, or the name of a file in configs/."""
    given = Path(name)
    folder = Path(__file__).parent.parent / "configs"
    candidates = [given, folder / given, folder / f"{name}.yaml"]
    for path in candidates:
        if path.is_file():
            return path
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    near = difflib.get_close_matches(given.stem, known, n=3, cutoff=0.4) or known
    raise ConfigError(f"{name}: no such file, and not in configs/; near: {', '.join(near)}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"] if str(part) not in ("sac", "dqn")]
    key = ".".join(where)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        near = difflib.get_close_matches(where[-1], _keys_at(where[:-1]), n=3, cutoff=0.5)
        allowed = near or _keys_at(where[:-1])
        return f"{key}: unknown key; {'near' if near else 'allowed'}: {', '.join(allowed)}"
    if first["type"].startswith("union_tag"):
        named = first["input"].get("name") if isinstance(first["input"], dict) else None
        return f"agent.name: found {named!r}; allowed: 'sac', 'dqn'"
    message = first["msg"].removeprefix("Value error, ").replace("\n", " ")
    if not key:
        return message
    found = repr(first["input"])
    return f"{key}: found {found if len(found) < 80 else found[:77] + '...'}; {_lower(message)}"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _keys_at(path: list[str]) -> list[str]:
    """Names of the fields of the part of the configuration that `path` leads to."""
    owners: list[Any] = [Config]
    for name in path:
        kinds = {"agent": [SACConfig, DQNConfig]}.get(name)
        owners = kinds or [
            field.default_factory
            for owner in owners
            for field in dataclasses.fields(owner)
            if field.name == name and field.default_factory is not dataclasses.MISSING
        ]
    return sorted({field.name for owner in owners for field in dataclasses.fields(owner)})
