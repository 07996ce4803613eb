"""What every reader gives."""

from __future__ import annotations

from typing import NamedTuple

from sparse_rl.architecture.operations import Output
from sparse_rl.artifact.graph import Graph


class Imported(NamedTuple):
    """A policy that was trained elsewhere.

    Attributes:
        graph: the deterministic policy, in float32 unless the file is one of ours.
        origin: the library and algorithm in words, as "Stable-Baselines3 2.9.0, SAC, SACPolicy".
        environment: our name of the environment, or empty where the file does not say.
    """

    graph: Graph
    origin: str
    environment: str = ""


class OutputError(ValueError):
    """The caller's `output` is missing, or is not what the file needs.

    Attributes:
        allowed: the kinds of output that it may be; none where the file has its own.
    """

    def __init__(self, message: str, *allowed: type[Output]) -> None:
        super().__init__(message)
        self.allowed = allowed
