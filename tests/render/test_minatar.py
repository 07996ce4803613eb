import gymnax
import jax
import numpy as np
import pytest

from sparse_rl.render.minatar import CELL, PLANES, draw


@pytest.mark.parametrize("game", PLANES)
def test_every_plane_of_the_game_is_drawn_in_its_colour(game: str) -> None:
    environment, parameters = gymnax.make(game)
    planes = environment.observation_space(parameters).shape[-1]
    assert sorted(plane.place for plane in PLANES[game]) == list(range(planes))
    for plane in PLANES[game]:
        observation = np.zeros((10, 10, planes), bool)
        observation[2, 7, plane.place] = True
        picture = np.asarray(draw(game, observation)).astype(int)
        assert picture.shape == (10 * CELL, 10 * CELL, 3)
        centre = picture[2 * CELL + CELL // 2, 7 * CELL + CELL // 2]
        np.testing.assert_allclose(centre, plane.colour, atol=2)
        other = picture[7 * CELL + CELL // 2, 2 * CELL + CELL // 2]
        assert np.abs(other - plane.colour).max() > 20


def test_a_real_observation_shows_as_many_cells_as_are_set() -> None:
    environment, parameters = gymnax.make("Breakout-MinAtar")
    observation, _ = environment.reset(jax.random.key(0), parameters)
    board = np.asarray(observation) > 0
    picture = np.asarray(draw("Breakout-MinAtar", board)).astype(int)
    centres = picture[CELL // 2 :: CELL, CELL // 2 :: CELL]
    np.testing.assert_array_equal(centres.sum(axis=-1) > 200, board.any(axis=-1))


def test_unknown_game() -> None:
    with pytest.raises(ValueError, match="not a MinAtar game; drawn are Breakout"):
        draw("Pong", np.zeros((10, 10, 4), bool))
