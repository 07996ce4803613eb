"""Standard output whose reader, or whose terminal, has gone."""

import os
import pty

import pytest

from sparse_rl.config.output import Forgiving


def test_what_is_written_to_a_closed_terminal_is_lost_and_nothing_else() -> None:
    theirs, ours = pty.openpty()
    with open(ours, "w") as stream:
        shown = Forgiving(stream)
        assert shown.write("seen\n") == 5
        assert os.read(theirs, 100) == b"seen\r\n"
        os.close(theirs)
        for _ in range(2):
            assert shown.write("lost\n") == 5


def test_a_full_disk_is_no_closed_terminal() -> None:
    with open("/dev/full", "w") as stream, pytest.raises(OSError, match="No space left"):
        Forgiving(stream).write("lost\n")
