import numpy as np

from sparse_rl.render.bodies import HEIGHT, WIDTH, Solid, View, draw, window

SIDE = View(azimuth=0.0, elevation=0.0)
RED, GREEN = (200, 60, 60), (60, 200, 60)


def sphere(x: float, y: float, z: float, colour: tuple[int, int, int]) -> Solid:
    point = np.array([x, y, z])
    return Solid(point, point, 0.2, colour)


def greener(picture: np.ndarray, row: int, column: int) -> bool:
    red, green, _ = picture[row, column].astype(int)
    return bool(green > red)


def test_right_and_up_in_the_world_are_right_and_up_in_the_picture() -> None:
    solids = [sphere(0.5, 0, 0.5, GREEN), sphere(-0.5, 0, -0.5, RED)]
    picture = np.asarray(draw(solids, np.zeros(3), 2.4, SIDE, floor=None))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    step = round(0.5 * HEIGHT / 2.4)
    assert greener(picture, HEIGHT // 2 - step, WIDTH // 2 + step)
    assert not greener(picture, HEIGHT // 2 + step, WIDTH // 2 - step)


def test_what_is_nearer_hides_what_is_behind() -> None:
    near, far = sphere(0, -1, 0, GREEN), sphere(0, 1, 0, RED)
    for solids in ([near, far], [far, near]):
        picture = np.asarray(draw(solids, np.zeros(3), 2.4, SIDE, floor=None))
        assert greener(picture, HEIGHT // 2, WIDTH // 2)


def test_window_leaves_room_around_a_tall_and_a_wide_robot() -> None:
    tall = [Solid(np.zeros(3), np.array([0.0, 0.0, 2.0]), 0.1, RED)]
    wide = [Solid(np.zeros(3), np.array([2.0, 0.0, 0.0]), 0.1, RED)]
    assert window(tall, SIDE).height > 2.2
    assert window(wide, SIDE).height * WIDTH / HEIGHT > 2.2
    assert window(tall, SIDE).middle >= 1.1


def test_floor_is_below_the_robot() -> None:
    solids = [sphere(0, 0, 1.0, GREEN)]
    view = View(azimuth=0.0, elevation=10.0)
    picture = np.asarray(draw(solids, np.array([0, 0, 0.5]), 2.0, view, floor=0.0)).astype(int)
    shadow = HEIGHT / 2 + 0.5 * np.cos(np.radians(10)) * HEIGHT / 2.0
    assert picture[round(shadow), WIDTH // 2].sum() < picture[round(shadow), 40].sum()
