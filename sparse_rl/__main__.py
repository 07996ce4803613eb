"""sparse-rl COMMAND ...: what can be done here. The same as python -m sparse_rl.COMMAND ..."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence

from sparse_rl import __version__, extras
from sparse_rl.config.ending import ending

COMMANDS = {
    "check": ("sparse_rl.check", "try whether one can train in an environment"),
    "train": ("sparse_rl.train", "train, prune and quantize policies: all seeds and levels"),
    "join": ("sparse_rl.join", "make one run of several that differ in their seeds"),
    "compress": ("sparse_rl.compress", "compress policies that are trained, also elsewhere"),
    "export": ("sparse_rl.export", "make small files of trained policies"),
    "inspect": ("sparse_rl.inspect", "say what is in such a file"),
    "evaluate": ("sparse_rl.evaluate", "play whole episodes with such a file"),
    "report": ("sparse_rl.report.__main__", "the final table of runs, and a page with all figures"),
    "render": ("sparse_rl.render.__main__", "a film of actors side by side"),
    "play": ("sparse_rl.play.__main__", "a page in which actors play live"),
}
"""Name -> the module, whose `run` takes the words that follow, and what it does."""
KNOWN = (*COMMANDS, "--help", "--version")
"""First words, among which is what a mistyped one may have meant."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the first word names."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if os.getcwd() not in sys.path:  # for packages of one's own, as python -m does
        sys.path.insert(0, os.getcwd())
    name = words[0] if words else "--help"
    if name == "--version":
        ending(lambda: print(version()))
    elif name in ("--help", "-h"):
        ending(lambda: print(overview()))
    elif name in COMMANDS:
        run(name, words[1:])
    else:
        near = difflib.get_close_matches(name, KNOWN, n=2, cutoff=0.5)
        others = f"near: {', '.join(near)}" if near else f"allowed: {', '.join(COMMANDS)}"
        print(f"error: {name!r}: no such command; {others}", file=sys.stderr)
        raise SystemExit(2)


def run(name: str, words: Sequence[str]) -> None:
    """Runs one command; where its packages are missing it says which extra has them."""
    with extras.needed_by(name):
        importlib.import_module(COMMANDS[name][0]).run(words)


def overview() -> str:
    """The commands, a line for each."""
    lines = [f"  {name:<9} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: sparse-rl COMMAND ...",
            "",
            *lines,
            "",
            "sparse-rl COMMAND --help says more, sparse-rl --version which version this is.",
        ]
    )


def version() -> str:
    """This package's version, and what its numbers depend on most."""
    try:
        jax = importlib.metadata.version("jax")
    except importlib.metadata.PackageNotFoundError:
        jax = "not installed"
    return f"sparse_rl {__version__}, jax {jax}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
