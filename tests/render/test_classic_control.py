from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sparse_rl.render.canvas import BLUE, GREEN, ORANGE
from sparse_rl.render.classic_control import (
    HEIGHT,
    WIDTH,
    draw_acrobot,
    draw_cartpole,
    draw_mountain_car,
    draw_pendulum,
)


def centre_of(picture: Image.Image, colour: tuple[int, int, int]) -> tuple[float, float]:
    """Mean place of the pixels of a colour: to the right and up from the picture's middle."""
    near = np.abs(np.asarray(picture).astype(int) - colour).max(axis=-1) < 25
    assert near.sum() > 20
    rows, columns = np.nonzero(near)
    return columns.mean() - WIDTH / 2, HEIGHT / 2 - rows.mean()


@pytest.mark.parametrize(("x", "theta"), [(0.0, 0.0), (1.0, 0.2), (-1.5, -0.2)])
def test_cartpole_leans_to_the_right_for_positive_angles(x: float, theta: float) -> None:
    picture = draw_cartpole(SimpleNamespace(x=x, theta=theta))
    cart, pole = centre_of(picture, BLUE), centre_of(picture, ORANGE)
    scale = WIDTH / 5.2
    assert cart[0] == pytest.approx(x * scale, abs=3)
    assert pole[0] - cart[0] == pytest.approx(0.5 * np.sin(theta) * scale, abs=3)
    assert pole[1] > cart[1]


@pytest.mark.parametrize("theta", [0.0, np.pi / 2, np.pi, -np.pi / 2])
def test_pendulum_is_upright_at_zero_and_turns_counter_clockwise(theta: float) -> None:
    arm = centre_of(draw_pendulum(SimpleNamespace(theta=theta, last_u=0.0)), ORANGE)
    half = 0.5 * HEIGHT / 2.6
    assert arm == pytest.approx((-np.sin(theta) * half, np.cos(theta) * half), abs=5)


def test_acrobot_hangs_down_at_zero_and_reaches_the_line_stretched_up() -> None:
    hanging = draw_acrobot(SimpleNamespace(joint_angle1=0.0, joint_angle2=0.0))
    first, second = centre_of(hanging, BLUE), centre_of(hanging, ORANGE)
    assert first[1] < 0 and second[1] < first[1] and abs(second[0]) < 2
    raised = draw_acrobot(SimpleNamespace(joint_angle1=np.pi, joint_angle2=0.0))
    scale = HEIGHT / 4.7
    assert centre_of(raised, ORANGE)[1] == pytest.approx(1.5 * scale, abs=4)
    assert centre_of(hanging, GREEN)[1] == pytest.approx(1.0 * scale, abs=2)


def test_mountain_car_climbs_to_the_right() -> None:
    valley = centre_of(draw_mountain_car(SimpleNamespace(position=-np.pi / 6)), ORANGE)
    slope = centre_of(draw_mountain_car(SimpleNamespace(position=0.2)), ORANGE)
    assert slope[0] - valley[0] == pytest.approx((0.2 + np.pi / 6) * WIDTH / 1.9, abs=10)  # tilted
    assert slope[1] > valley[1] + 50
