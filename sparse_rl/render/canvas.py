"""A small canvas in world coordinates: y points up, edges are smooth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]

BACKGROUND: Colour = (18, 22, 27)
INK: Colour = (232, 234, 236)
FAINT: Colour = (74, 82, 91)
BLUE: Colour = (86, 180, 233)
ORANGE: Colour = (242, 142, 70)
GREEN: Colour = (55, 201, 156)
YELLOW: Colour = (240, 212, 90)
RED: Colour = (232, 95, 92)
PURPLE: Colour = (204, 121, 167)

_FINER = 3  # drawn this many times larger and then reduced: smooth edges


class Canvas:
    """Draws on a picture of the given size, in pixels, that shows a window of the world.

    Args:
        width, height: of the picture.
        centre: the world's point in the middle of the picture.
        scale: pixels per unit of the world.
    """

    def __init__(self, width: int, height: int, centre: Point, scale: float) -> None:
        self.width, self.height = width, height
        self._centre, self._scale = centre, scale * _FINER
        self._image = Image.new("RGB", (width * _FINER, height * _FINER), BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Iterable[Point], thickness: float, colour: Colour) -> None:
        """A line with round ends and joints; `thickness` in units of the world."""
        pixels = [self._pixel(point) for point in points]
        width = max(1, round(thickness * self._scale))
        self._draw.line(pixels, fill=colour, width=width, joint="curve")
        if width > 2:
            for x, y in (pixels[0], pixels[-1]):
                radius = width / 2
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        x, y = self._pixel(centre)
        r = radius * self._scale
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def polygon(self, points: Iterable[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([self._pixel(point) for point in points], fill=colour)

    def box(self, low: Point, high: Point, colour: Colour, roundness: float = 0.0) -> None:
        """A filled rectangle between two corners, with round corners of the given radius."""
        left, bottom = self._pixel(low)
        right, top = self._pixel(high)
        radius = roundness * self._scale
        self._draw.rounded_rectangle((left, top, right, bottom), radius=radius, fill=colour)

    def picture(self) -> Image.Image:
        """What was drawn, at the size asked for."""
        return self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)

    def _pixel(self, point: Point) -> Point:
        x = (point[0] - self._centre[0]) * self._scale + self.width * _FINER / 2
        y = self.height * _FINER / 2 - (point[1] - self._centre[1]) * self._scale
        return float(x), float(y)


def blend(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with a share of `other` mixed in, from 0 to 1."""
    mixed = np.array(colour) * (1 - share) + np.array(other) * share
    red, green, blue = (int(part) for part in mixed.round())
    return red, green, blue


def rotated(points: Sequence[Point], angle: float, about: Point = (0.0, 0.0)) -> list[Point]:
    """Points turned counter-clockwise by `angle` (radians) and moved to `about`."""
    cos, sin = np.cos(angle), np.sin(angle)
    return [
        (float(cos * x - sin * y + about[0]), float(sin * x + cos * y + about[1]))
        for x, y in points
    ]
