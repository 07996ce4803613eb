"""Classic control, drawn from the simulators' states."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from typing import Any

import numpy as np
from PIL import Image

from sparse_rl.render.canvas import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    YELLOW,
    Canvas,
    blend,
    rotated,
)

WIDTH, HEIGHT = 320, 240


def draw_cartpole(state: Any) -> Image.Image:
    """x, theta: the pole (one metre long) leans by theta from upright, clockwise positive."""
    canvas = Canvas(WIDTH, HEIGHT, (0.0, 0.62), WIDTH / 5.2)
    canvas.line([(-2.4, -0.13), (2.4, -0.13)], 0.02, FAINT)
    for end in (-2.4, 2.4):
        canvas.line([(end, -0.2), (end, -0.06)], 0.03, FAINT)
    x, theta = float(state.x), float(state.theta)
    canvas.box((x - 0.27, -0.12), (x + 0.27, 0.12), BLUE, roundness=0.05)
    tip = (x + sin(theta), 0.06 + cos(theta))
    canvas.line([(x, 0.06), tip], 0.09, ORANGE)
    canvas.disc((x, 0.06), 0.045, INK)
    return canvas.picture()


def draw_pendulum(state: Any) -> Image.Image:
    """theta: 0 is upright, counter-clockwise positive; the arc shows the torque last applied."""
    canvas = Canvas(WIDTH, HEIGHT, (0.0, 0.0), HEIGHT / 2.6)
    theta, torque = float(state.theta), float(np.reshape(state.last_u, ()))
    tip = (-sin(theta), cos(theta))
    canvas.line(_arc(0.0, 2 * pi, 1.08), 0.012, blend(FAINT, (18, 22, 27), 0.5))
    if abs(torque) > 0.02:
        canvas.line(_arc(pi / 2, pi / 2 + torque * pi / 3, 0.42), 0.05, YELLOW)
    canvas.line([(0.0, 0.0), tip], 0.17, ORANGE)
    canvas.disc((0.0, 0.0), 0.05, INK)
    return canvas.picture()


def draw_acrobot(state: Any) -> Image.Image:
    """joint_angle1 from hanging down, joint_angle2 relative to the first link; goal: the line."""
    canvas = Canvas(WIDTH, HEIGHT, (0.0, 0.0), HEIGHT / 4.7)
    first, second = float(state.joint_angle1), float(state.joint_angle2)
    middle = (sin(first), -cos(first))
    end = (middle[0] + sin(first + second), middle[1] - cos(first + second))
    canvas.line([(-3.2, 1.0), (3.2, 1.0)], 0.03, GREEN)
    canvas.line([(0.0, 0.0), middle], 0.2, BLUE)
    canvas.line([middle, end], 0.2, ORANGE)
    for joint in ((0.0, 0.0), middle):
        canvas.disc(joint, 0.07, INK)
    return canvas.picture()


def draw_mountain_car(state: Any, goal: float = 0.5) -> Image.Image:
    """position on the hill sin(3 x); a flag stands at the goal."""
    canvas = Canvas(WIDTH, HEIGHT, (-0.3, 0.62), WIDTH / 1.9)
    places = np.linspace(-1.3, 0.7, 121)
    slope = [(float(x), _hill(x)) for x in places]
    canvas.polygon([(-1.3, -1.0), *slope, (0.7, -1.0)], (38, 45, 53))
    canvas.line(slope, 0.012, FAINT)
    foot = _hill(goal)
    canvas.line([(goal, foot), (goal, foot + 0.22)], 0.012, INK)
    flag = [(goal, foot + 0.22), (goal + 0.11, foot + 0.18), (goal, foot + 0.14)]
    canvas.polygon(flag, GREEN)
    x = float(state.position)
    angle = float(np.arctan(0.45 * 3 * np.cos(3 * x)))
    at = (x, _hill(x))
    body = [(-0.07, 0.03), (0.07, 0.03), (0.055, 0.085), (-0.055, 0.085)]
    canvas.polygon(rotated(body, angle, at), ORANGE)
    for wheel in rotated([(-0.042, 0.026), (0.042, 0.026)], angle, at):
        canvas.disc(wheel, 0.026, INK)
    return canvas.picture()


DRAWINGS: dict[str, Callable[[Any], Image.Image]] = {
    "CartPole-v1": draw_cartpole,
    "Pendulum-v1": draw_pendulum,
    "Acrobot-v1": draw_acrobot,
    "MountainCar-v0": draw_mountain_car,
    "MountainCarContinuous-v0": lambda state: draw_mountain_car(state, goal=0.45),
}


def _hill(x: float) -> float:
    return float(np.sin(3 * x) * 0.45 + 0.55)


def _arc(begin: float, end: float, radius: float) -> list[tuple[float, float]]:
    angles = np.linspace(begin, end, max(3, int(abs(end - begin) * 20)))
    return [(float(radius * np.cos(a)), float(radius * np.sin(a))) for a in angles]
