"""Functions whose results are kept for as long as the process lives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def kept(most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """As `functools.lru_cache`, and without it for arguments that cannot be hashed.

    An agent or environment of one's own may be anything; it is then made anew each time.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = functools.lru_cache(maxsize=most)(function)

        @functools.wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                hash((arguments, tuple(named.items())))
            except TypeError:
                return function(*arguments, **named)
            return known(*arguments, **named)  # type: ignore[arg-type]

        call.forget = known.cache_clear  # type: ignore[attr-defined]
        return call

    return decorate
