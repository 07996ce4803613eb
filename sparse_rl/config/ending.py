"""How every command ends: what the user can mend becomes one line and exit status 2.

Knows nothing of options, so that `inspect` ends alike in an installation without what they need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from sparse_rl import interrupted_imports
from sparse_rl.config.output import forgiving_output


def ending(command: Callable[[], object], interrupted: str = "interrupted") -> None:
    """Runs a command; what a user can mend becomes one line and exit status 2.

    Ctrl-C becomes the line `interrupted` and exit status 130. An exception's notes stand before
    the line: the traceback of an environment of the user's own.
    """
    notes: list[str] = []
    try:
        with interrupted_imports.end_the_process(), forgiving_output():
            command()
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        raise SystemExit(130) from None
    except ValueError as error:
        notes = getattr(error, "__notes__", [])
        line = " ".join(str(error).split())
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        line = f"{place}{error.strerror or error}"
    else:
        return
    print(*(f"{note.strip()}\n" for note in notes), f"error: {line}", sep="", file=sys.stderr)
    raise SystemExit(2)
