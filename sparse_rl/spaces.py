"""What an environment gives and takes, as data: action spaces and shapes, without JAX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Continuous(NamedTuple):
    """A box of actions.

    The bounds are in the environment's own units. Agents act in [-1, 1] in every dimension; the
    environment clips to that range and rescales linearly to the bounds.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


class Discrete(NamedTuple):
    """The actions 0, 1, ..., n - 1."""

    n: int


@dataclass(frozen=True)
class EnvSpec:
    """What an agent and a replay buffer must know about an environment.

    Attributes:
        name: the full name, with its options, that `make` understands.
        observation_shape: shape of one observation, without batch axis. For pixels: one frame.
        observation_dtype: float32, bool or uint8: the type in which replay stores it.
        action: the action space.
        time_limit: most steps of one episode; the last of them is `truncated`.
        frame_stack: how many successive observations of one episode the policy sees at once.
            The environment always returns single frames; replay and evaluation stack them.
    """

    name: str
    observation_shape: tuple[int, ...]
    observation_dtype: np.dtype
    action: Continuous | Discrete
    time_limit: int
    frame_stack: int = 1
