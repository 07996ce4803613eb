"""Ctrl-C while a command's packages are imported: the process ends at once.

Python's exception would be lost: jaxlib calls Python from C++ while it is imported, which drops
what is raised there, so that the command goes on, or aborts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_IMPORTING = "importlib._bootstrap"


@contextmanager
def end_the_process() -> Iterator[None]:
    """Within it Ctrl-C during an import ends with status 130; elsewhere it raises as ever.

    A handler that somebody else has set stays; so does everything outside the main thread, where
    Python allows no handlers.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _handle(number: int, frame: FrameType | None) -> None:
    if _imports(frame):
        os.write(2, b"\ninterrupted\n")
        os._exit(128 + number)
    signal.default_int_handler(number, frame)


def _imports(frame: FrameType | None) -> bool:
    """Whether an import is under way in `frame` or in what has called it."""
    while frame is not None:
        if frame.f_globals.get("__name__") == _IMPORTING:
            return True
        frame = frame.f_back
    return False
