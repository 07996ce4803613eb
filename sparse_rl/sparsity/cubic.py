"""The cubic rise of gradual pruning, for arrays of NumPy and of JAX alike."""

from __future__ import annotations

from typing import TypeVar

Share = TypeVar("Share")


def cubic_share(progress: Share) -> Share:
    """s_t / s_f = 1 - (1 - progress)^3, of Zhu and Gupta (2017), equation 1; progress in [0, 1]."""
    return 1.0 - (1.0 - progress) ** 3  # type: ignore[operator, return-value]
