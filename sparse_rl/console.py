"""Where commands print what is for people."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """The terminal; in a notebook plain text, where rich would show empty blocks, too."""
    found = Console()
    if found.is_jupyter:
        return Console(force_jupyter=False, force_terminal=False, width=100)
    return found
