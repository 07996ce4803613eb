"""A run directory as its readers see it: configuration, metrics, variants, policies, summary."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparse_rl.architecture import Network, from_json, policy_network
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.runs import format_1, layout
from sparse_rl.runs.description import Shown
from sparse_rl.runs.metrics import read_metrics
from sparse_rl.runs.policies import Policies, read_policies
from sparse_rl.runs.record import Record, format_of, read_json, read_record, read_variants
from sparse_rl.runs.recorded_return import RecordedReturn
from sparse_rl.runs.settings import number, read_settings, text
from sparse_rl.runs.variant import Variant
from sparse_rl.spaces import EnvSpec
from sparse_rl.summary.displayed import Summary
from sparse_rl.summary.final_table import ended_seeds, final_returns, final_table
from sparse_rl.summary.table import markdown_table


class Run(Shown):
    """What a run directory holds, each part read when it is first asked for.

    Raises ValueError, one line that names the file, where it is missing or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """The directory's own name, by which pages and legends speak of the run."""
        return self.path.resolve().name

    @cached_property
    def format(self) -> int:
        """The version of the directory's format. Raises ValueError where it is a newer one."""
        if not self.path.is_dir():
            raise ValueError(f"{self.path}: not a directory; needed is a run directory")
        return format_of(self.path)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """config.yaml as nested dictionaries, unchecked."""
        assert self.format
        return read_settings(self.path)

    @cached_property
    def config(self) -> Config:
        """config.yaml, checked. Raises `ConfigError`, one line that names the file."""
        settings = self.settings  # what is wrong in them names the file itself
        try:
            return from_mapping(settings)
        except ValueError as error:
            raise type(error)(f"{self.path / layout.CONFIG}: {error}") from None

    @cached_property
    def record(self) -> Record:
        """The phases of the study, and the digests of its policies."""
        return read_record(self.path) if self.format > 1 else format_1.record(self.settings)

    @property
    def variants(self) -> dict[str, Variant]:
        """What is compared, by name."""
        return self._variants_and_metrics[0]

    @property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv: one row per member, step and metric, each with its variant's record."""
        return self._variants_and_metrics[1]

    @cached_property
    def _variants_and_metrics(self) -> tuple[dict[str, Variant], pd.DataFrame]:
        version, file = self.format, self.path / layout.METRICS
        if not file.exists() and file.with_suffix(".csv.gz").exists():
            file = file.with_suffix(".csv.gz")
        if version == 1:
            metrics, variants = format_1.read_metrics(file)
            return variants, metrics
        variants = read_variants(self.path)
        return variants, read_metrics(file, variants)

    @property
    def versions(self) -> str:
        """versions.txt, or the empty string where the run has none."""
        file = self.path / layout.VERSIONS
        try:
            return file.read_text() if file.is_file() else ""
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise ValueError(f"{file}: cannot be read: {reason}") from None

    def summary(self) -> Summary:
        """One row per variant: return with its interval, difference from dense, weights.

        A data frame that shows itself as the final table. Raises ValueError before the run is
        finished.
        """
        return Summary(final_table(self.metrics))

    def summary_text(self) -> str:
        """The summary as Markdown, headed by what was run."""
        steps = int(number(self.settings, "training.steps"))
        return (
            f"# {text(self.settings, 'environment')}, "
            f"{text(self.settings, 'agent.name').upper()}, "
            f"{text(self.settings, 'seeds')} seeds, {steps:,} steps\n\n"
            f"{markdown_table(self.summary())}\n"
        )

    @property
    def commands(self) -> list[str]:
        """What made it, from the record of versions; of a joined run its parts, and the joining."""
        begin = "command: "
        lines = self.versions.splitlines()
        return [line.removeprefix(begin) for line in lines if line.startswith(begin)]

    @property
    def finished(self) -> list[str]:
        """Names of the variants that have had their last evaluation, failed seeds or not."""
        return list(self._final)

    def final_returns(self, variant: str) -> dict[int, float]:
        """Return of every seed of a variant in its last evaluation, without those that failed.

        Raises ValueError where the run has no such variant.
        """
        if variant not in self._final:
            known = ", ".join(self._final) or "none, the run is not finished"
            raise ValueError(f"variant: found {variant}; allowed: {known}")
        return self._final[variant]

    def recorded_return(self, variant: str, seed: int) -> RecordedReturn:
        """What the last evaluation of one policy has found.

        Raises ValueError where the run has no such variant or seed.
        """
        returns = self.final_returns(variant)
        self.position(seed)
        metrics = self.metrics
        own = metrics[(metrics["variant"] == variant) & (metrics["seed"] == seed)]
        spread = own[(own["phase"] == layout.FINAL) & (own["metric"] == layout.RETURN_SPREAD)]
        return RecordedReturn(
            mean=returns.get(seed, float("nan")),
            spread=float(spread["value"].iloc[-1]) if len(spread) else float("nan"),
            episodes=int(number(self.settings, "evaluation.final_episodes")),
        )

    @cached_property
    def _final(self) -> dict[str, dict[int, float]]:
        """The same of every variant that is finished."""
        metrics = self.metrics
        if not (metrics["phase"] == layout.FINAL).any():
            return {}
        ended = ended_seeds(metrics)
        return {
            variant: dict(
                zip(own.index.to_numpy(int).tolist(), own.to_numpy(float).tolist(), strict=True)
            )
            for variant, own in final_returns(metrics).items()
            if len(ended[variant])
        }

    def has_policies(self, variant: str) -> bool:
        """Whether the directory holds the policies of a variant; results alone are kept so too."""
        return layout.policy_file(self.path, variant).exists()

    def policies(self, variant: str) -> Policies:
        """The policies of a variant, stacked over seeds, checked against the run's record.

        Raises ValueError, one line that names the file, where it is not what training wrote.
        """
        file = layout.policy_file(self.path, variant)
        expected = None
        if self.format > 1 and file.exists():
            expected = self.record.policies.get(file.name)
            if expected is None:
                raise ValueError(f"{file}: {layout.RECORD} has no digest of it; allowed: one")
        return read_policies(file, int(number(self.settings, "seeds")), expected)

    def position(self, seed: int) -> int:
        """Where a seed stands among the study's. Raises ValueError where it has none."""
        first = int(number(self.settings, "first_seed", 0))
        count = int(number(self.settings, "seeds"))
        if seed not in range(first, first + count):  # a word such as best is not, either
            raise ValueError(f"seed: found {seed}; allowed: {first} to {first + count - 1}")
        return seed - first

    def trained(self, variant: str, seed: int) -> dict[str, np.ndarray]:
        """The arrays of one trained policy, masks applied, by name.

        Raises ValueError where the run has no such variant or seed, or the file is damaged.
        """
        self.final_returns(variant)
        position = self.position(seed)
        return self.policies(variant).of_seed(position)

    def network(self, spec: EnvSpec | None = None) -> Network:
        """The policy's network. A run of format 1 did not write it: it follows from `spec`.

        Raises ValueError, one line that names the file, where it is missing or damaged.
        """
        if self.format == 1:
            if spec is None:
                raise ValueError(
                    f"{self.path}: a run of format 1 has no {layout.NETWORK}; needed is the spec "
                    f"of its environment, as sparse_rl.envs.make(NAME).spec"
                )
            return policy_network(self.config.network, spec)
        file = self.path / layout.NETWORK
        try:
            return from_json(file.read_bytes())
        except OSError as error:
            raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"{file}: damaged: {error}") from None

    def packed(self, variant: str, seed: int, spec: EnvSpec | None = None) -> PackedActor:
        """One trained policy as `sparse_rl.export` writes it; `spec` as in `network`.

        Raises ValueError, one line, where there is no such variant or seed, or a file is damaged.
        """
        arrays, network = self.trained(variant, seed), self.network(spec)
        arithmetic: Any = self.variants[variant].arithmetic
        try:
            graph = bind(network, arrays, arithmetic)
        except ValueError as error:
            raise ValueError(f"{layout.policy_file(self.path, variant)}: {error}") from None
        measured = self.final_returns(variant).get(seed)
        config = self.config
        about = Provenance(config.environment, variant, seed, config.digest(), measured)
        return PackedActor(graph, about)

    def actor(self, variant: str | float, seed: int, spec: EnvSpec | None = None) -> Actor:
        """One trained policy as a function of an observation, or of a batch of them.

        A number is the variant of that sparsity by gradual pruning in float32: 0.9 is "0.9".
        """
        name = variant if isinstance(variant, str) else f"{variant:g}"
        return Actor(self.packed(name, seed, spec))

    def cost(self, variant: str) -> dict[str, Any]:
        """artifacts/VARIANT/cost.json, what an exported actor costs; empty without one."""
        file = layout.artifacts(self.path, variant) / "cost.json"
        return read_json(file) if file.is_file() else {}


def seed_named(asked: str, otherwise: str, seeds: range) -> int:
    """The seed that a command's --seed names. Raises ValueError where it is none of these.

    `otherwise` is the word that the command takes in place of a number.
    """
    if not (asked.isascii() and asked.isdecimal()) or int(asked) not in seeds:
        raise ValueError(
            f"--seed: found {asked}; allowed: {otherwise}, or {seeds[0]} to {seeds[-1]}"
        )
    return int(asked)
