"""Times of an actor in C, or one line that says why there are none."""

from pathlib import Path

import numpy as np
import pytest

from sparse_rl.artifact.cost.latency import TimingError, run_timer

SEEN = np.zeros((3, 2), np.float32)


def program(folder: Path, content: str) -> Path:
    file = folder / "timer"
    file.write_text(content)
    file.chmod(0o755)
    return file


def test_times_are_those_that_the_program_prints(tmp_path: Path) -> None:
    # A call may take less than reading the clock does at other times.
    file = program(tmp_path, "#!/bin/sh\nprintf '7\\n-3\\n'\n")
    assert run_timer(file, tmp_path, SEEN, 2).tolist() == [7, -3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("#!/bin/sh\nexit 1\n", "the timing program ended with status 1"),
        (
            "#!/bin/sh\necho 'no' >&2\necho memory >&2\nexit 2\n",
            "the timing program ended with status 2: no memory",
        ),
        ("#!/bin/sh\nkill -9 $$\n", "the timing program ended with status -9"),
        ("#!/bin/sh\necho 5\n", "the timing program gave 1 times; asked for: 2"),
        ("#!/bin/sh\necho 5 five\n", "the timing program gave 1 times; asked for: 2"),
        ("\x7fELF of another machine", "the timing program does not run: Exec format error"),
    ],
)
def test_a_program_without_times_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(TimingError) as refused:
        run_timer(program(tmp_path, content), tmp_path, SEEN, 2)
    assert str(refused.value) == said
