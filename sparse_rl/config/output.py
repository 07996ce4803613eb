"""Standard output that nobody may be reading: `sparse-rl export runs/x --arm all | head -1`.

Or a terminal that has been closed, while a training still has its checkpoint to write.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO


class Forgiving:
    """A stream of text; what is written once its reader has gone is lost, and nothing else is.

    Everything is passed on at once, so that an error of the system (a full disk) is raised where it
    happens and not when Python ends.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()  # one that has been closed says no

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self._to_nowhere()
        except OSError as error:
            self._to_nowhere()
            if not (self._terminal and error.errno == errno.EIO):
                raise
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _to_nowhere(self) -> None:
        """What the stream still holds must not be tried again when Python ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def forgiving_output() -> Iterator[None]:
    """Lets a command finish its work where nobody reads its output to the end."""
    before = sys.stdout
    if before is None:  # closed by >&-
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
        return
    sys.stdout = Forgiving(before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout = before
