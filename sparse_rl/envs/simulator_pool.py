"""Simulators that wait between two calls, found by the state they are in."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

Simulator = TypeVar("Simulator")


class SimulatorPool(Generic[Simulator]):
    """A cache from states to simulators, shared by any number of callers.

    A host environment is a pure function of the state that it is given; but to load a state into
    a simulator costs time, and usually one is in exactly that state, because it was put there by
    the call before. A state is named by a mark: bytes that two states share only if they are the
    same. Several simulators can have one mark: the state was forked.
    """

    def __init__(
        self,
        make: Callable[[], Simulator],
        per_environment: int = 2,
        close: Callable[[Simulator], object] | None = None,
    ) -> None:
        """Keeps `per_environment` simulators for each environment of the largest batches seen.

        One is enough where whoever begins an episode takes the one of the episode before; two where
        that one waits until it is the oldest. Each that was made or put in is closed once, when the
        pool is no longer needed or Python ends.
        """
        self._make = make
        self._per_environment = per_environment
        self._lock = threading.Lock()
        # The simulators that were put away longest ago come first.
        self._idle: OrderedDict[bytes, list[Simulator]] = OrderedDict()
        self._made = 0
        self._most = 1
        self._known: dict[int, Simulator] = {}
        if close is not None:
            weakref.finalize(self, _close_all, close, self._known)

    def expect(self, batch: int, callers: int) -> None:
        """Makes room for a batch of this size of each caller: every device has one of its own.

        With less room callers would take each other's simulators away, at every step.
        """
        with self._lock:
            self._most = max(self._most, self._per_environment * batch * callers)

    def take(self, mark: bytes) -> Simulator | None:
        """The simulator in exactly this state, if there is one."""
        with self._lock:
            return self._pop(mark) if mark in self._idle else None

    def spare(self) -> Simulator:
        """A simulator in an unknown state: a new one, or the one that waited longest."""
        with self._lock:
            if self._idle and self._made >= self._most:
                return self._pop(next(iter(self._idle)))
            self._made += 1
        return self._make()

    def put(self, mark: bytes, simulator: Simulator) -> None:
        """Gives a simulator back, in the state with this mark."""
        with self._lock:
            self._known[id(simulator)] = simulator
            self._idle.setdefault(mark, []).append(simulator)
            self._idle.move_to_end(mark)

    def _pop(self, mark: bytes) -> Simulator:
        waiting = self._idle[mark]
        simulator = waiting.pop()
        if not waiting:
            del self._idle[mark]
        return simulator


def _close_all(close: Callable[[Simulator], object], simulators: dict[int, Simulator]) -> None:
    for simulator in simulators.values():
        with suppress(Exception):  # its own; the others are to be closed, too
            close(simulator)
