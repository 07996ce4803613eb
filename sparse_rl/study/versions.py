"""By what a run was made: the command, the versions of everything, the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import jax

from sparse_rl.config.experiment import Config

PACKAGES = ("jax", "jaxlib", "flax", "optax", "aqtp", "gymnax", "brax", "mujoco", "numpy")


def versions(config: Config, command: str) -> str:
    """Everything needed to run the same thing again."""
    present = jax.devices()
    lines = {
        "command": command,
        "config digest": config.digest(),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "devices": f"{len(present)} x {present[0].device_kind}",
    } | {name: importlib.metadata.version(name) for name in PACKAGES}
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def _commit() -> str:
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def command_line() -> str:
    """The command that this process was started with."""
    program = sys.orig_argv[1:] if len(sys.orig_argv) > 1 else sys.argv
    return shlex.join(["python", *program])
