"""Scenes draw what an environment's states are."""

import os

import gymnasium
import numpy as np
import pygame
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from sparse_rl.envs import make
from sparse_rl.playing.play import play, random_policy
from sparse_rl.render.gymnasium_scene import picture
from sparse_rl.render.scenes import scene


@pytest.mark.parametrize(
    "name",
    [
        "gymnax/Pendulum-v1",
        "gymnax/Freeway-MinAtar?sticky=0.1",
        "mujoco/Hopper-v4?impl=host",
        "gymnasium/LunarLander-v3",
    ],
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


def test_a_picture_of_gymnasium_is_of_the_state_whatever_was_drawn_before() -> None:
    """Each against a simulator of Gymnasium's own that has taken the same actions."""
    env, view = make("gymnasium/CartPole-v1"), scene("gymnasium/CartPole-v1")
    played = play(random_policy(env.spec, 0), env, 1, seed=3, most_steps=12, remember=True)
    shown = [np.asarray(view.draw(moment.state, moment.frame[0])) for moment in played.history]
    world = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    inner = played.history[-1].state.inner
    assert inner["count"][0] == len(played.history) - 1
    world.reset(seed=int(inner["seed"][0]))
    for index in range(len(played.history)):
        if index:
            world.step(int(inner["actions"][0, index - 1]))
        np.testing.assert_array_equal(shown[index], np.asarray(picture(world)))
    again = view.draw(played.history[4].state, played.history[4].frame[0])
    np.testing.assert_array_equal(shown[4], np.asarray(again))
    assert shown[0].shape == (213, 320, 3)
    assert view.frames_per_second == 25


def test_drawing_looks_for_no_screen_and_no_sound(capfd: pytest.CaptureFixture[str]) -> None:
    """Where there are none, as on a server, SDL would fill the terminal with complaints."""
    pygame.quit()
    before = dict(os.environ)
    scene("gymnasium/CartPole-v1")
    assert capfd.readouterr().err == ""
    assert pygame.display.get_driver() == "dummy" or "SDL_VIDEODRIVER" in before
    assert dict(os.environ) == before


def test_an_environment_that_does_not_draw_itself_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CartPoleEnv, "metadata", {"render_modes": ["human"]})
    with pytest.raises(ValueError, match=r"^gymnasium/CartPole-v1: there is no drawing of it: .*"):
        scene("gymnasium/CartPole-v1")
