"""Compiled programs, kept on disk for the next run that needs the same ones.

JAX does the keeping; a program is found again by a hash of itself, of its options and of its
devices. Here is decided where: in a directory of its own for each kind of processor and each
version of JAX, because code compiled for one processor may not run on another. What a killed run
left half written goes, and so do the oldest programs once all take more than `LIMIT` bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
import sys
import tempfile
from pathlib import Path

import jax
import jaxlib
import platformdirs
from jax.experimental.compilation_cache import compilation_cache as jax_cache

from sparse_rl.config.error import ConfigError

LIMIT = 2 * 10**9
"""Bytes that all kept programs may take together."""
SHORTEST = 0.1
"""Seconds; what compiles faster is not worth a file."""

OTHER_WORDS_FOR_OFF = ("none", "no", "false", "never", "0")
"""Of which a directory in the working folder would be made; ./none still is."""

_VERSION = "-jax-"
"""Stands before JAX's version in the name of every directory that is made here."""
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


def use(choice: str = "auto") -> None:
    """Keeps compiled programs where `choice` says; call it before JAX compiles anything.

    auto: in the user's cache directory, or where JAX has been told to (JAX_COMPILATION_CACHE_DIR);
    off: nowhere; anything else is a directory. A directory that cannot be written costs a warning
    of one line, and nothing is kept. Raises `ConfigError` for another word that means off.
    """
    if choice.lower() in OTHER_WORDS_FOR_OFF:
        raise ConfigError(
            f"compilation_cache: found {choice}; allowed: auto, off or a directory (./{choice} for "
            f"one of that name)"
        )
    if choice == "off":
        jax.config.update("jax_enable_compilation_cache", False)
        return
    told: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if choice == "auto" and told is not None:
        return
    try:
        root = user_directory() if choice == "auto" else Path(choice)
        folder = root.expanduser() / processor_and_version()
        # Whoever can write there can run code in the next run: nobody but the user.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        tidy(folder, folder.parent)
    except (OSError, RuntimeError) as problem:  # RuntimeError: a user without a home
        reason = getattr(problem, "strerror", None) or problem
        print(
            f"warning: compilation_cache: cannot write {choice}: {reason}; "
            f"programs are compiled anew in every run",
            file=sys.stderr,
        )
        return
    if told != str(folder):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax_cache.reset_cache()  # what has been compiled before, elsewhere, is no reason not to
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)


def user_directory() -> Path:
    """Where this user's programs keep what they can make again."""
    return platformdirs.user_cache_path("sparse_rl", appauthor=False) / "compiled"


def processor_and_version() -> str:
    """A name for what compiled code depends on beside the program: x86_64-1f0c2b7a-jax-0.10.2."""
    described = hashlib.sha256(_processor().encode()).hexdigest()[:8]
    return f"{platform.machine()}-{described}{_VERSION}{jaxlib.__version__}"


def _processor() -> str:
    """The processor's model and features, as far as the system tells."""
    told = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = [line for line in lines if line.split("\t")[0].rstrip(" :") in told]
        if found:
            return "\n".join(dict.fromkeys(found))  # all cores, each kind once
    return f"{platform.processor()} {platform.version()}"


def tidy(folder: Path, root: Path, limit: int = LIMIT) -> None:
    """Removes what is damaged in `folder`, and the oldest above `limit` bytes.

    These are counted in `folder` and in those of other processors and versions in `root`, which
    may be a directory of the user's and hold much else. Other runs may be reading, writing and
    tidying meanwhile: a file that is gone for them is compiled again.
    """
    for path in folder.glob("*-cache"):
        with contextlib.suppress(FileNotFoundError):
            if not is_whole(path):
                path.unlink()
    kept: list[tuple[float, int, Path]] = []
    for place in {folder, *root.glob(f"*{_VERSION}*")}:
        for path in place.glob("*-cache"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    kept.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in kept) - limit
    for _, size, path in sorted(kept):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def is_whole(path: Path) -> bool:
    """Whether a kept program has its end. JAX writes in place: a run killed meanwhile leaves less.

    Walks over the blocks of the Zstandard frame (RFC 8878, 3.1.1) without unpacking them. A file
    of another kind is whole if there is anything in it.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(5)
        if start[:4] != _ZSTANDARD[: len(start)]:
            return length > 0
        if len(start) < 5:
            return False
        descriptor = start[4]
        single_segment = descriptor >> 5 & 1
        content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
        position = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size
        last = False
        while not last:
            file.seek(position)
            header = int.from_bytes(block := file.read(3), "little")
            if len(block) < 3:
                return False
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            position += 3 + (1 if kind == 1 else size)  # kind 1: one byte, repeated
        return position + 4 * (descriptor >> 2 & 1) == length
