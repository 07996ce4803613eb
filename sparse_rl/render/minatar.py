"""MinAtar: every plane of the observation has a name and a colour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from PIL import Image

from sparse_rl.render.canvas import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    Canvas,
    Colour,
    blend,
)

CELL, SIZE = 24, 10
_DARK: Colour = (26, 31, 38)


class Plane(NamedTuple):
    """One plane of an observation; a faint one is drawn small, under the others."""

    place: int
    name: str
    colour: Colour
    faint: bool = False


PLANES: dict[str, tuple[Plane, ...]] = {
    "Breakout-MinAtar": (
        Plane(2, "trail", ORANGE, faint=True),
        Plane(3, "brick", BLUE),
        Plane(0, "paddle", INK),
        Plane(1, "ball", ORANGE),
    ),
    "Asterix-MinAtar": (
        Plane(2, "trail", FAINT, faint=True),
        Plane(3, "gold", YELLOW),
        Plane(1, "enemy", RED),
        Plane(0, "player", GREEN),
    ),
    "Freeway-MinAtar": (
        *(
            Plane(
                2 + speed, f"trail of speed {speed + 1}", blend(FAINT, RED, speed / 5), faint=True
            )
            for speed in range(5)
        ),
        Plane(1, "car", RED),
        Plane(0, "chicken", YELLOW),
    ),
    "SpaceInvaders-MinAtar": (
        Plane(1, "alien", GREEN),
        Plane(2, "alien moving left", GREEN),
        Plane(3, "alien moving right", blend(GREEN, YELLOW, 0.35)),
        Plane(5, "enemy bullet", RED),
        Plane(4, "own bullet", YELLOW),
        Plane(0, "cannon", BLUE),
    ),
    "Seaquest-MinAtar": (
        Plane(3, "trail", FAINT, faint=True),
        Plane(1, "submarine's back", blend(BLUE, _DARK, 0.45)),
        Plane(7, "oxygen", BLUE, faint=True),
        Plane(8, "divers on board", PURPLE, faint=True),
        Plane(9, "diver", PURPLE),
        Plane(5, "fish", GREEN),
        Plane(6, "enemy submarine", RED),
        Plane(4, "enemy bullet", ORANGE),
        Plane(2, "own bullet", YELLOW),
        Plane(0, "submarine's front", BLUE),
    ),
}


def draw(game: str, observation: Bool[np.ndarray, "rows columns planes"]) -> Image.Image:
    """A game's board, 24 pixels a cell.

    Raises:
        ValueError: the game is none of `PLANES`.
    """
    if game not in PLANES:
        raise ValueError(f"{game}: not a MinAtar game; drawn are {', '.join(PLANES)}")
    rows, columns, _ = observation.shape
    width, height = columns * CELL, rows * CELL
    canvas = Canvas(width, height, (columns / 2, -rows / 2), CELL)
    for row, column in np.ndindex(rows, columns):
        _cell(canvas, row, column, 0.03, _DARK)
    for plane in PLANES[game]:
        for row, column in np.argwhere(observation[:, :, plane.place]):
            _cell(canvas, row, column, 0.34 if plane.faint else 0.07, plane.colour)
    return canvas.picture()


def _cell(canvas: Canvas, row: int, column: int, inset: float, colour: Colour) -> None:
    low = (column + inset, -row - 1 + inset)
    high = (column + 1 - inset, -row - inset)
    canvas.box(low, high, colour, roundness=0.16)
