"""A C compiler that is found and does not compile."""

from pathlib import Path

FAILS = "#!/bin/sh\necho 'cc: fatal error: no headers' >&2\nexit 1\n"
WRITES_NOTHING = "#!/bin/sh\nexit 0\n"
NO_PROGRAM = "\x7fELF of another machine"


def write(folder: Path, content: str = FAILS) -> str:
    """`cc` in a folder of its own; returns the folder, for the front of the path."""
    folder.mkdir()
    (folder / "cc").write_text(content)
    (folder / "cc").chmod(0o755)
    return str(folder)
