"""What a policy sees of an episode: one observation, or the last few on a new last axis.

Frames from before the episode began are zeros, as in Stable-Baselines3's frame stacking and in
replay. The functions take NumPy's arrays and JAX's, traced ones too.
"""

from __future__ import annotations

from typing import TypeVar

Frames = TypeVar("Frames")
"""[batch, *observation], with a last axis for the frames where several are seen."""


def first_seen(first: Frames, stack: int) -> Frames:
    """What is seen at the start of episodes: zeros, and the first observation as the last frame."""
    if stack == 1:
        return first
    xp = first.__array_namespace__()  # type: ignore[attr-defined]
    blank = xp.zeros((*first.shape, stack), dtype=first.dtype)  # type: ignore[attr-defined]
    return next_seen(blank, first, stack)


def next_seen(seen: Frames, new: Frames, stack: int) -> Frames:
    """What is seen after one more observation: the oldest frame goes, the new one is the last."""
    if stack == 1:
        return new
    xp = new.__array_namespace__()  # type: ignore[attr-defined]
    return xp.concat([seen[..., 1:], new[..., None]], axis=-1)  # type: ignore[index]
