"""An episode as the captioned frames of a film."""

from __future__ import annotations

from PIL import Image

from sparse_rl.render.episode import Episode
from sparse_rl.render.film import captioned
from sparse_rl.render.scenes import Scene


def frames(episode: Episode, view: Scene, name: str) -> list[Image.Image]:
    """The episode's pictures at the scene's rate, each with the return so far; the last always."""
    last = len(episode.states) - 1
    shown = [*range(0, last, view.stride), last]
    return [
        captioned(
            view.draw(episode.states[index], episode.observations[index]),
            name,
            f"return {episode.return_until(index):,.4g}",
        )
        for index in shown
    ]
