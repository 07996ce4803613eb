"""Ctrl-C, SIGTERM and a terminal that closes: the first asks for an orderly end, a second ends at
once.

What the second ends is the training: it raises `Interrupted`, and a notebook or another program
lives on. Only where the training is all that the process is for, `ending_the_process`.

Signals are noticed by a thread of their own: the main one may be inside a compiled program or a
compilation, where Python's handlers do not run.
"""

from __future__ import annotations

import _thread
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
HANGUP = getattr(signal, "SIGHUP", None)
"""What a terminal that closes sends; Windows has none."""
ONE_REQUEST = 0.3
"""Seconds within which another SIGTERM is the same request: `timeout` ends a whole group of
processes, and a make among them asks its children once more."""


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal after its state was saved.

    `exit_status` is the shell's convention: 130 after Ctrl-C, 143 after SIGTERM, 129 after a
    terminal has closed.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_status = 128 + number


class Interruption:
    """`signal` is the number of the signal that came, or 0; `again` whether a second one did."""

    def __init__(self) -> None:
        self.signal = 0
        self.again = False
        self._raised = False

    def handle(self, number: int, *_: object) -> None:
        """Python's handler, in the main thread: raises once, after a second signal."""
        if self.again and not self._raised:
            self._raised = True
            raise Interrupted(number, "stopped at once, without a checkpoint")


def _end_the_process(number: int) -> None:
    _show_cursor()
    os._exit(128 + number)


def _raise_in_the_main_thread(number: int) -> None:
    """When it is next in Python: its handler is called once more."""
    _thread.interrupt_main(signal.Signals(number))


_at_the_second: Callable[[int], None] = _raise_in_the_main_thread


@contextmanager
def ending_the_process() -> Iterator[None]:
    """Within it a second signal ends the process at once, even inside a compiled program."""
    global _at_the_second
    before, _at_the_second = _at_the_second, _end_the_process
    try:
        yield
    finally:
        _at_the_second = before


@contextmanager
def watch(announce: Callable[[], None]) -> Iterator[Interruption]:
    """Notices signals; `announce` is called, from another thread, at the first.

    Outside the main thread, where Python allows no handlers, signals keep their meaning; so does a
    terminal that closes where that is ignored, as by nohup.
    """
    seen = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        first = -math.inf
        while number := os.read(reader, 1)[0]:
            if number not in SIGNALS:
                continue
            if seen.again:  # also what the second itself sets off in the main thread
                continue
            if number == HANGUP and seen.signal:  # the terminal and its shell may both send it
                continue
            if number == signal.SIGTERM and time.monotonic() - first < ONE_REQUEST:
                continue
            if seen.signal:
                seen.again = True
                _at_the_second(number)
                continue
            seen.signal, first = number, time.monotonic()
            announce()

    # Handlers of our own, so that the default ones do not end the process at the first.
    ignored = HANGUP if HANGUP and signal.getsignal(HANGUP) is signal.SIG_IGN else None
    watched = [number for number in SIGNALS if number != ignored]
    before = {number: signal.signal(number, seen.handle) for number in watched}
    old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        signal.set_wakeup_fd(old_writer)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writer, b"\0")
        thread.join()
        os.close(reader)
        os.close(writer)


def _show_cursor() -> None:
    """A live display has hidden it."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[?25h\n")
        sys.stdout.flush()
