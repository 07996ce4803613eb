"""When the next checkpoint is due."""

from __future__ import annotations

import time

from sparse_rl.config.sections import CheckpointConfig


class Interval:
    """When a checkpoint is due. Steps are those of one member since the study began."""

    def __init__(self, settings: CheckpointConfig) -> None:
        self._settings = settings
        self.restart(0)

    def restart(self, steps: int) -> None:
        """Counts from here."""
        self._time, self._steps = time.monotonic(), steps

    def is_over(self, steps: int) -> bool:
        """Whether it is time for the next one."""
        settings = self._settings
        if settings.every == 0:
            return False
        if settings.unit == "steps":
            return steps - self._steps >= settings.every
        return time.monotonic() - self._time >= 60 * settings.every
