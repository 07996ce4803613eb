"""What the options of an agent, of a network and of a sparsity method have in common.

A package's own options are a `section` (config.fields) that inherits from one of these. They hold
no fields: a subclass declares them, with its own defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from sparse_rl.spaces import Continuous, Discrete

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config

Problem = tuple[str, str]
"""A dotted key, and why its value cannot be: "found ...; allowed: ..."."""


class Options:
    """One registered thing's part of a configuration."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """Values of the whole configuration that this part cannot be run with."""
        yield from ()


class AgentOptions(Options):
    """The section `agent`, chosen by its `name`."""

    name: str
    discount: float
    actions: ClassVar[type[Continuous] | type[Discrete] | None] = None
    """The kind of actions that the agent chooses among; None: both."""
    memory: ClassVar[str] = "replay.capacity"
    """The key that says how many steps the agent remembers."""
    rhythm: ClassVar[str] = "training.train_frequency"
    """The key that says after how many steps of every environment the agent learns."""

    def steps_per_update(self, config: Config) -> int:
        """Environment steps of one member between updates; lengths are multiples of it."""
        return config.training.train_frequency * config.training.environments

    def prefill_steps(self, config: Config) -> int:
        """Steps of one member with uniformly random actions, before its first update."""
        return config.training.learning_starts


class NetworkOptions(Options):
    """The section `network`, chosen by its `torso`."""

    torso: str
    hidden: tuple[int, ...]
    activation: str = "relu"
    layer_norm: bool = False
    initializer: str = "uniform"
    normalize: bool


class MethodOptions(Options):
    """The section `sparsity.NAME` of a method that changes its masks within begin and end."""

    def problems(self, config: Config) -> Iterator[Problem]:
        """A time that is no time, or too short for one interval.

        A method with another schedule overrides this.
        """
        begin, end, sparsity = config.prune_begin, config.prune_end, config.sparsity
        if begin >= end:
            yield (
                "sparsity.end",
                f"found {sparsity.end:g}: pruning ends at step {end}, not after it begins at step "
                f"{begin}; allowed: sparsity.begin < sparsity.end <= 1",
            )
        elif sparsity.interval > end - begin:
            yield (
                "sparsity.interval",
                f"found {sparsity.interval}, longer than the pruning phase; "
                f"allowed: at most {end - begin}",
            )
