"""A few observations of an actor with their actions, which its self-test carries along."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.graph import Graph

ANSWERS = 10
_MOST_NUMBERS = 20_000
"""In the observations that are kept: fewer of them where they are images."""
_TOLERANCE = 1e-5
"""Of an action's range: libraries have several ways to a tanh."""


class KnownAnswers(NamedTuple):
    """`number` observations, one behind the other, and what is expected of them."""

    number: int
    observations: NDArray
    """Flat [number * observation size]."""
    actions: NDArray
    """Flat [number * action size]."""
    tolerances: NDArray | None
    """[action size]; None where an action is a choice."""


def known_answers(graph: Graph, observations: NDArray, actions: NDArray) -> KnownAnswers:
    """At most ten of the observations, evenly chosen, with their actions."""
    size = int(np.prod(graph.observation.shape))
    number = max(1, min(ANSWERS, len(observations), _MOST_NUMBERS // size))
    chosen = np.linspace(0, len(observations) - 1, number).astype(int)
    tolerances = None
    if not isinstance(graph.output, ArgMax):
        width = np.asarray(graph.output.high) - np.asarray(graph.output.low)
        tolerances = np.maximum(width * _TOLERANCE, 1e-30)
    seen = observations[chosen].reshape(number * size)
    return KnownAnswers(number, seen, actions[chosen].reshape(-1), tolerances)
