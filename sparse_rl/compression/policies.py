"""What passes work on: policies of one architecture that are compressed alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from numpy.typing import NDArray

from sparse_rl.artifact.graph import Graph


@dataclass(frozen=True, eq=False)
class Policies:
    """Policies of one architecture, one for each seed.

    Attributes:
        graphs: the policies as they are now.
        originals: what each of them was at first.
        observations: of each original's own episodes, [n, *observation].
        seeds: by which random numbers are drawn.
        environment: its name; empty where none is known.
    """

    graphs: tuple[Graph, ...]
    originals: tuple[Graph, ...]
    observations: tuple[NDArray, ...]
    seeds: tuple[int, ...]
    environment: str = ""


Pass = Callable[[Policies], Policies]
"""One step of compression."""


Told = Callable[[str, float], None]
"""Hears the name of a course and the share of it that is done."""


def quiet(course: str, share: float) -> None:
    """Nobody hears it."""


class JointPass(ABC):
    """A pass that is cheaper when several of a family are made at once, such as all levels."""

    @property
    @abstractmethod
    def family(self) -> Any:
        """Equal for those that can be made together."""

    @abstractmethod
    def together(
        self, family: Sequence[Self], policies: Policies, told: Told = quiet
    ) -> list[Policies]:
        """The policies after each pass of the family, this one among them."""

    def __call__(self, policies: Policies) -> Policies:
        return self.together([self], policies)[0]


def each(change: Callable[[Graph, NDArray], Graph]) -> Pass:
    """The pass that changes every policy by itself, from its graph and its own observations."""

    def apply(policies: Policies) -> Policies:
        pairs = zip(policies.graphs, policies.observations, strict=True)
        return replace(policies, graphs=tuple(change(graph, seen) for graph, seen in pairs))

    return apply
