"""Environments whose dynamics the page has, and what it must know of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparse_rl.environment_name import taken_apart
from sparse_rl.spaces import Continuous, Discrete, EnvSpec

_LIMITS = {"Pendulum-v1": 200, "CartPole-v1": 500, "Breakout-MinAtar": 1000}
_SUITES = {
    "gymnax": tuple(_LIMITS),
    "gymnasium": ("Pendulum-v1", "CartPole-v1"),  # the same equations and the same limits
}
_SPECS: dict[str, tuple[tuple[int, ...], str, Continuous | Discrete]] = {
    "Pendulum-v1": ((3,), "float32", Continuous((-2.0,), (2.0,))),
    "CartPole-v1": ((4,), "float32", Discrete(2)),
    "Breakout-MinAtar": ((10, 10, 4), "bool", Discrete(3)),
}
PLAYED = tuple(f"{suite}/{task}" for suite, tasks in _SUITES.items() for task in tasks)


@dataclass(frozen=True)
class World:
    """One environment as the script plays it.

    Attributes:
        task: its name there.
        limit: steps after which an episode ends.
        sticky: the probability that the action before is repeated.
        actions: of MinAtar: minimal or full.
    """

    task: str
    limit: int
    sticky: float = 0.0
    actions: str = "minimal"

    @property
    def spec(self) -> EnvSpec:
        """What an actor must read and give."""
        shape, dtype, action = _SPECS[self.task]
        if self.actions == "full":
            action = Discrete(6)
        return EnvSpec(self.task, shape, np.dtype(dtype), action, self.limit)


def world(environment: str) -> World:
    """The world with this name and these options.

    Raises ValueError, one line, where the page does not have it.
    """
    name = taken_apart(environment)
    task = name.task
    if name.path not in PLAYED:
        raise ValueError(f"{environment}: the page cannot play it; allowed: {', '.join(PLAYED)}")
    options = dict(part.partition("=")[::2] for part in name.options.split("&") if part)
    known = {"time_limit"} | ({"sticky", "actions"} if task.endswith("-MinAtar") else set())
    if name.suite == "gymnasium":
        known = set()
    for key in options:
        if key not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise ValueError(
                f"{environment}: the page does not know the option {key}; allowed: {allowed}"
            )
    return World(
        task,
        int(options.get("time_limit", _LIMITS[task])),
        float(options.get("sticky", 0.0)),
        options.get("actions", "minimal"),
    )
