"""A C compiler that is found and does not compile."""

from pathlib import Path

FAILS = "#!/bin/sh\necho 'cc: fatal error: no headers' >&2\nexit 1\n"
WRITES_NOTHING = "#!/bin/sh\nexit 0\n"
TIMES_NOTHING = """#!/bin/sh
case "$*" in
*timer.c*) while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho illegal instruction >&2\\nkill -4 $$\\n' > "$2" && chmod +x "$2";;
*) exec REAL "$@";;
esac
"""
"""Compiles actors with the compiler REAL; the programs that time them end with a signal."""
NO_PROGRAM = "\x7fELF of another machine"


def write(folder: Path, content: str = FAILS) -> str:
    """`cc` in a folder of its own; returns the folder, for the front of the path."""
    folder.mkdir()
    (folder / "cc").write_text(content)
    (folder / "cc").chmod(0o755)
    return str(folder)
