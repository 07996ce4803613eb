"""Ctrl-C while packages are imported ends the process, whatever swallows exceptions there."""

import signal
import subprocess
import sys
from pathlib import Path

from sparse_rl import interrupted_imports

# As C++ does that calls Python while it is imported, and drops what is raised there.
SWALLOWING = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
except BaseException:
    pass
"""
PROGRAM = """
import signal
from sparse_rl import interrupted_imports
signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run in the background
with interrupted_imports.end_the_process():
    import swallowing
print("went on")
"""


def test_an_import_that_swallows_it_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "swallowing.py").write_text(SWALLOWING)
    program = f"import sys; sys.path.append({str(tmp_path)!r})\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")


def test_elsewhere_it_raises_and_the_handler_is_what_it_was() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        raised = False
        with interrupted_imports.end_the_process():
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raised = True
        assert raised
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_somebody_else_stays() -> None:
    def theirs(*_: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGINT, theirs)
    try:
        with interrupted_imports.end_the_process():
            assert signal.getsignal(signal.SIGINT) is theirs
        assert signal.getsignal(signal.SIGINT) is theirs
    finally:
        signal.signal(signal.SIGINT, before)
