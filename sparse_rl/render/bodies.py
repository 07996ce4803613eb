"""Robots made of capsules and spheres, drawn in perspective-free view from the side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image

from sparse_rl.render.canvas import BACKGROUND, BLUE, ORANGE, Canvas, Colour, Point, blend

WIDTH, HEIGHT = 320, 240
_TILES: tuple[Colour, Colour] = ((34, 40, 47), (41, 48, 56))
_SHADOW: Colour = (20, 24, 29)
_LIGHT: Colour = (255, 255, 255)


class Solid(NamedTuple):
    """A capsule between two points (a sphere where they are the same), in metres."""

    begin: Float[np.ndarray, " xyz"]
    end: Float[np.ndarray, " xyz"]
    radius: float
    colour: Colour


class View(NamedTuple):
    """Where one looks from: turned about the vertical, and raised, in degrees."""

    azimuth: float = 20.0
    elevation: float = 14.0


class Window(NamedTuple):
    """What a camera shows: its height in metres, and how high above the floor its middle is."""

    height: float
    middle: float


def window(solids: Sequence[Solid], view: View) -> Window:
    """A window in which the solids have room to move."""
    right, up, _ = _axes(view)
    points = np.array([point for solid in solids for point in (solid.begin, solid.end)])
    radius = max(solid.radius for solid in solids)
    wide = float(np.ptp(points @ right)) + 2 * radius
    high = float(np.ptp(points @ up)) + 2 * radius
    height = max(1.45 * high, 1.7 * wide * HEIGHT / WIDTH)
    from_above = view.elevation > 45
    return Window(height, 0.0 if from_above else max(0.5 * high, 0.25 * height))


def draw(
    solids: Sequence[Solid],
    focus: Float[np.ndarray, " xyz"],
    height: float,
    view: View,
    floor: float | None,
) -> Image.Image:
    """The solids around `focus`, in a window that is `height` metres high.

    `floor` is the height of the ground, drawn with tiles and shadows; None for no ground.
    """
    right, up, towards = _axes(view)
    scale = HEIGHT / height
    centre: Point = (float(focus @ right), float(focus @ up))
    canvas = Canvas(WIDTH, HEIGHT, centre, scale)
    reach = 0.75 * WIDTH / scale
    if floor is not None:
        _ground(canvas, focus, floor, reach, right, up)
        for solid in solids:
            _stroke(canvas, _dropped(solid, floor), right, up, _SHADOW, solid.radius)
    for solid in sorted(solids, key=lambda one: float((one.begin + one.end) @ towards)):
        _stroke(canvas, solid, right, up, blend(solid.colour, BACKGROUND, 0.5), solid.radius)
        _stroke(canvas, solid, right, up, solid.colour, 0.86 * solid.radius)
        raised = solid._replace(
            begin=solid.begin + 0.33 * solid.radius * up,
            end=solid.end + 0.33 * solid.radius * up,
        )
        light = blend(solid.colour, _LIGHT, 0.28)
        _stroke(canvas, raised, right, up, light, 0.34 * solid.radius)
    return canvas.picture()


def colours(count: int) -> list[Colour]:
    """Colours of the parts, from the torso (blue) to the last limb (orange)."""
    return [blend(BLUE, ORANGE, index / max(1, count - 1)) for index in range(count)]


def _axes(view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors to the right of the picture, up in it, and towards the viewer."""
    azimuth, elevation = np.radians(view.azimuth), np.radians(view.elevation)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    ahead = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    vertical = np.array([0.0, 0.0, 1.0])
    up = np.cos(elevation) * vertical + np.sin(elevation) * ahead
    towards = np.sin(elevation) * vertical - np.cos(elevation) * ahead
    return right, up, towards


def _stroke(
    canvas: Canvas, solid: Solid, right: np.ndarray, up: np.ndarray, colour: Colour, radius: float
) -> None:
    begin = (float(solid.begin @ right), float(solid.begin @ up))
    end = (float(solid.end @ right), float(solid.end @ up))
    if np.hypot(end[0] - begin[0], end[1] - begin[1]) > 1e-6:
        canvas.line([begin, end], 2 * radius, colour)
    else:
        canvas.disc(begin, radius, colour)


def _dropped(solid: Solid, floor: float) -> Solid:
    begin, end = solid.begin.copy(), solid.end.copy()
    begin[2] = end[2] = floor
    return solid._replace(begin=begin, end=end)


def _ground(
    canvas: Canvas,
    focus: np.ndarray,
    floor: float,
    reach: float,
    right: np.ndarray,
    up: np.ndarray,
) -> None:
    """Tiles of one metre (or less, for small robots): they show how fast the robot moves."""
    tile = 1.0 if reach > 1.5 else 0.25
    columns = np.arange(np.floor((focus[0] - 2 * reach) / tile), (focus[0] + 2 * reach) / tile + 1)
    rows = np.arange(np.floor((focus[1] - 2 * reach) / tile), (focus[1] + 3 * reach) / tile + 1)
    for column in columns:
        for row in rows:
            corners = [
                np.array([(column + i) * tile, (row + j) * tile, floor])
                for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))
            ]
            points = [(float(corner @ right), float(corner @ up)) for corner in corners]
            canvas.polygon(points, _TILES[int(column + row) % 2])
