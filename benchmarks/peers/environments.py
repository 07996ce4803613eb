"""A virtual environment for each peer, made once and kept in the user's cache."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
FINISHED = "installed"  # the file that is written last


def cache_folder() -> Path:
    """Where environments are kept: `XDG_CACHE_HOME` or `~/.cache`, then `sparse_rl/peers`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "sparse_rl" / "peers"


def folder_of(requirements: Path, cache: Path) -> Path:
    """The folder of an environment; other requirements or another Python give another one."""
    python = f"{sys.implementation.cache_tag}-{sys.platform}"
    digest = hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()[:12]
    return cache / f"{requirements.stem}-{digest}"


def python_of(name: str, cache: Path) -> Path:
    """The interpreter of the peer `name`, in an environment that is made if it is not there.

    Raises RuntimeError, in one line, where an installation fails.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = folder_of(requirements, cache)
    python = folder / "bin" / "python"
    if (folder / FINISHED).exists():
        return python
    if folder.exists():  # an installation that was cut off
        shutil.rmtree(folder)
    print(f"{name}: installing into {folder}", file=sys.stderr, flush=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for words in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), *install, "-r", str(requirements)],
    ):
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            last = done.stdout.strip().splitlines()[-1:] or ["no message"]
            raise RuntimeError(f"{name}: installing {requirements.name} failed: {last[0]}")
    (folder / FINISHED).write_text(requirements.read_text())
    return python
