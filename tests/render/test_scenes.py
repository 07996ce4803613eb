"""Scenes draw what an environment's states are."""

import numpy as np
import pytest

from sparse_rl.envs import make
from sparse_rl.playing.play import play, random_policy
from sparse_rl.render.scenes import scene


@pytest.mark.parametrize(
    "name",
    ["gymnax/Pendulum-v1", "gymnax/Freeway-MinAtar?sticky=0.1", "mujoco/Hopper-v4?impl=host"],
)
def test_scene_draws_the_states_of_an_episode(name: str) -> None:
    env, view = make(name), scene(name)
    played = play(random_policy(env.spec, 0), env, 1, seed=0, most_steps=12, remember=True)
    pictures = [
        np.asarray(view.draw(moment.state, moment.frame[0])).astype(int)
        for moment in played.history
    ]
    assert all(picture.std() > 5 for picture in pictures)
    assert np.abs(pictures[0] - pictures[-1]).max() > 50, "nothing moved"
    assert view.frames_per_second <= 34


def test_atari_shows_the_screen_that_the_policy_sees() -> None:
    screen = np.zeros((84, 84), np.uint8)
    screen[10, 20] = 200
    picture = np.asarray(scene("atari/Pong").draw(None, screen))
    assert picture.shape == (252, 252, 3)
    assert (picture[30:33, 60:63] == 200).all() and picture.sum() == 9 * 3 * 200


def test_unknown_scene_names_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"there is no drawing of it; drawn are atari/"):
        scene("gymnax/Catch-bsuite")
