"""What a compression says while one waits: lines, and how far its courses are."""

from __future__ import annotations

import time

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from sparse_rl.units import in_time

_EVERY = 0.25
"""In a log, a line for each such share of a course."""
_SILENCE = 30.0
"""Seconds; in a log a line comes after them even if no such share is done."""
_PAUSE = 0.1
"""Seconds between two changes of the last line of a terminal."""


class Bar:
    """Lines for a console; in a terminal the share that is done stands in the last one."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.perf_counter()
        self._course = ""
        self._told = 0.0
        self._shown = -_PAUSE

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def told(self, course: str, share: float) -> None:
        """`share` of the course is done."""
        now = time.perf_counter()
        if course != self._course:
            self._course, self._began, self._told, self._shown = course, now, 0.0, now
            self.say(course)
        took = now - self._began
        if share >= 1:
            self._line(f"  done in {in_time(took)}", last=True)
        elif self.console.is_terminal and share > 0 and now - self._shown >= _PAUSE:
            self._shown = now
            self._line(f"  {100 * share:3.0f} %  {in_time(took / share - took)} left", last=False)
        elif not self.console.is_terminal and share > 0 and self._is_due(share, now):
            self._told, self._shown = share, now
            self.say(f"  {100 * share:3.0f} %  {in_time(took / share - took)} left")

    def _is_due(self, share: float, now: float) -> bool:
        return share - self._told >= _EVERY or now - self._shown >= _SILENCE

    def _line(self, text: str, last: bool) -> None:
        if self.console.is_terminal:
            # As a control code: from a text that is printed rich takes every carriage return out.
            self.console.control(Control(ControlType.CARRIAGE_RETURN))
            end = "\n" if last else ""
            self.console.print(f"{text:<40}", end=end, markup=False, highlight=False)
        else:
            self.say(text)
