"""An episode as the captioned frames of a film."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from sparse_rl.playing.play import Moment
from sparse_rl.render.film import captioned
from sparse_rl.render.scenes import Scene


def frames(history: Sequence[Moment], view: Scene, name: str) -> list[Image.Image]:
    """One episode's pictures at the scene's rate, each with the return so far; the last always."""
    last = len(history) - 1
    returns = np.cumsum([moment.reward[0] for moment in history])
    shown = [*range(0, last, view.stride), last]
    return [
        captioned(
            view.draw(history[index].state, history[index].frame[0]),
            name,
            f"return {returns[index]:,.4g}",
        )
        for index in shown
    ]
