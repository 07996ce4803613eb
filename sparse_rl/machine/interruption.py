"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

Signals are noticed by a thread of their own: the main one may be inside a compiled program or a
compilation, where Python's handlers do not run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal after its state was saved.

    `exit_status` is the shell's convention: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_status = 128 + number


class Interruption:
    """`signal` is the number of the signal that came, or 0."""

    def __init__(self) -> None:
        self.signal = 0


@contextmanager
def watch(announce: Callable[[], None]) -> Iterator[Interruption]:
    """Notices signals; `announce` is called, from another thread, at the first.

    Outside the main thread, where Python allows no handlers, signals keep their meaning.
    """
    seen = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        while number := os.read(reader, 1)[0]:
            if number not in SIGNALS:
                continue
            if seen.signal:
                _show_cursor()
                os._exit(128 + number)
            seen.signal = number
            announce()

    # Handlers that do nothing, so that the default ones do not end the process.
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
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
