import numpy as np
import pytest

from sparse_rl.envs import make
from sparse_rl.render.episode import play, random_policy
from sparse_rl.render.scenes import scene


def test_episode_is_the_same_for_the_same_seed_and_policy() -> None:
    env = make("gymnax/CartPole-v1")
    first, second = (play(env, random_policy(env.spec, 3), seed=1, most_steps=50) for _ in "ab")
    other = play(env, random_policy(env.spec, 3), seed=2, most_steps=50)
    np.testing.assert_array_equal(first.observations, second.observations)
    assert (first.observations[0] != other.observations[0]).any()


def test_episode_ends_where_the_world_says() -> None:
    env = make("gymnax/CartPole-v1")
    episode = play(env, lambda observation: np.int32(1), seed=0, most_steps=200)
    assert episode.ended and 5 < len(episode.rewards) < 20
    assert len(episode.states) == len(episode.observations) == len(episode.rewards) + 1
    assert abs(float(episode.states[-1].inner.theta[0])) > 12 * 2 * np.pi / 360
    assert episode.return_until(len(episode.rewards)) == len(episode.rewards)


def test_episode_is_cut_off_at_the_most_steps() -> None:
    env = make("gymnax/Pendulum-v1")
    episode = play(env, random_policy(env.spec, 0), seed=0, most_steps=7)
    assert not episode.ended and len(episode.rewards) == 7


@pytest.mark.parametrize(
    "name",
    ["gymnax/Pendulum-v1", "gymnax/Freeway-MinAtar?sticky=0.1", "mujoco/Hopper-v4?impl=host"],
)
def test_scene_draws_the_states_of_an_episode(name: str) -> None:
    env, view = make(name), scene(name)
    episode = play(env, random_policy(env.spec, 0), seed=0, most_steps=12)
    pictures = [
        np.asarray(view.draw(state, observation)).astype(int)
        for state, observation in zip(episode.states, episode.observations, strict=True)
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
