"""What an environment raised, told as what it is: its name, the call, and its own traceback.

An exception that leaves a callback reaches the caller as JAX's own, with the text of six tracebacks
in it. So the first one is kept here, beside JAX, and `told` raises it in place of JAX's.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jax

from sparse_rl.spaces import EnvSpec

_LIBRARIES = {"gymnasium", "jax"}
_HERE = f"{Path(__file__).parent}/"


class EnvironmentFailure(ValueError):
    """An environment raised, or gave what it must not give; one line, its traceback in a note."""


_LOCK = threading.Lock()
_kept: list[EnvironmentFailure] = []


def of(name: str, call: str, error: Exception) -> EnvironmentFailure:
    """The failure of environment `name` in its `call`, "reset" or "step"."""
    reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    failure = EnvironmentFailure(f"environment {name!r} raised in {call}(): {reason}")
    if own := _own_frames(error):
        failure.add_note("".join(["Traceback of the environment (most recent call last):\n", *own]))
    return failure


def check_shape(spec: EnvSpec, call: str, shape: tuple[int, ...]) -> None:
    """Raises `EnvironmentFailure` where an observation is not what the environment declares."""
    if tuple(shape) != spec.observation_shape:
        raise EnvironmentFailure(
            f"environment {spec.name!r}: {call}() gave an observation of shape {list(shape)}; "
            f"declared is {list(spec.observation_shape)}"
        )


def keep(failure: EnvironmentFailure) -> None:
    """Keeps it for `told`, if it is the first."""
    with _LOCK:
        if not _kept:
            _kept.append(failure)


@contextmanager
def told() -> Iterator[None]:
    """Around programs that step environments: raises their failures in place of JAX's errors."""
    logger = logging.getLogger("jax._src.callback")  # it prints the traceback of every callback
    with _LOCK:
        _kept.clear()
    logger.addFilter(_is_not_told_here)
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError):  # the one in running, the other in fetching
        with _LOCK:
            failures = list(_kept)
        if not failures:
            raise
        _forget_tokens()
        raise failures[0] from None
    finally:
        logger.removeFilter(_is_not_told_here)


def _forget_tokens() -> None:
    """Else JAX raises its own error once more, twice, when Python ends."""
    with suppress(ImportError, AttributeError):  # not a public part of it
        from jax._src import dispatch

        dispatch.runtime_tokens.clear()


def _is_not_told_here(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], EnvironmentFailure))


def _own_frames(error: Exception) -> list[str]:
    """From the first line that is neither ours nor a library's; the last is the exception."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [i for i, frame in enumerate(frames) if frame.filename.startswith(_HERE)]
    after = frames[ours[-1] + 1 if ours else 0 :]
    while after and _LIBRARIES & set(Path(after[0].filename).parts):
        del after[0]
    if not after:
        return []
    return [*traceback.format_list(after), *traceback.format_exception_only(error)]
