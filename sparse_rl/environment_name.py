"""An environment's name taken apart: suite/task?options."""

from __future__ import annotations

from typing import NamedTuple


class EnvironmentName(NamedTuple):
    """brax/hopper?backend=spring is of the suite brax, the task hopper, with backend=spring."""

    suite: str
    task: str
    options: str

    @property
    def path(self) -> str:
        """The name without its options."""
        return f"{self.suite}/{self.task}"


def taken_apart(name: str) -> EnvironmentName:
    """The parts of a name, known or not; those that it does not have are empty."""
    path, _, options = name.partition("?")
    suite, _, task = path.partition("/")
    return EnvironmentName(suite, task, options)
