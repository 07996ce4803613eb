"""The page's worlds against gymnax: one step from random states, and long games to the cell."""

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs import make
from sparse_rl.play.worlds import PLAYED, world
from tests.browser import Browser
from tests.play.in_a_page import ask_many, blank

NUMBER = 2000
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def worlds(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    page = tmp_path_factory.mktemp("worlds") / "worlds.html"
    page.write_text(blank("random", "pendulum", "cartpole", "breakout", "worlds", "episode"))
    chromium.open(page)
    return chromium


def in_gymnax(task: str, states, actions, fields):
    """(states after a step, rewards, ends, observations), each with the axis of the states."""
    environment, parameters = gymnax.make(task)
    example, _ = environment.reset_env(KEY, parameters)[::-1]
    names = dict(zip(fields, states.T, strict=True))
    given = {name: jnp.asarray(value, jnp.float32) for name, value in names.items()}
    number = len(states)
    rest = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (number, *jnp.shape(leaf))), example)
    before = rest.replace(**given)
    step = jax.vmap(environment.step_env, (None, 0, 0, None))
    seen, after, reward, end, _ = jax.jit(step)(KEY, before, jnp.asarray(actions), parameters)
    found = np.stack([np.asarray(getattr(after, name)) for name in fields], axis=1)
    return found, np.asarray(reward), np.asarray(end), np.asarray(seen)


def in_script(browser: Browser, task: str, states, actions, names, size):
    """The same of the page's world, in double precision."""
    values = [
        {"state": dict(zip(names, map(float, state), strict=True)), "action": float(action)}
        for state, action in zip(states, actions, strict=True)
    ]
    function = f"""({{ state, action }}) => {{
      const world = WORLDS["{task}"];
      const moved = world.step({{ ...state, torque: 0 }}, action), seen = Array({size});
      world.observe(moved.state, seen);
      return {{ ...moved, seen }};
    }}"""
    found = ask_many(browser, function, values)
    after = np.array([[one["state"][name] for name in names] for one in found])
    return (
        after,
        np.array([one["reward"] for one in found]),
        np.array([one["ended"] for one in found]),
        np.array([one["seen"] for one in found]),
    )


def test_pendulum_moves_as_gymnax_does(worlds: Browser) -> None:
    random = np.random.default_rng(0)
    states = random.uniform((-7, -8), (7, 8), (NUMBER, 2))
    actions = random.uniform(-3, 3, NUMBER)  # beyond what is clipped
    expected = in_gymnax("Pendulum-v1", states, actions[:, None], ("theta", "theta_dot"))
    found = in_script(worlds, "Pendulum-v1", states, actions, ("theta", "speed"), 3)
    # float32 against double: rewards go to 16, and near the seam of the angle's circle a rounding
    # moves it by a whole turn, whose square is the same.
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_cartpole_moves_and_falls_as_gymnax_does(worlds: Browser) -> None:
    random = np.random.default_rng(1)
    high = (2.6, 3.0, 0.25, 3.0)
    states = random.uniform(np.negative(high), high, (NUMBER, 4))
    actions = random.integers(0, 2, NUMBER)
    fields = ("x", "x_dot", "theta", "theta_dot")
    after, _, end, seen = in_gymnax("CartPole-v1", states, actions, fields)
    names = ("x", "speed", "theta", "turning")
    found, reward, ended, observed = in_script(worlds, "CartPole-v1", states, actions, names, 4)
    np.testing.assert_allclose(found, after, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(observed, seen, rtol=2e-5, atol=2e-5)
    edge = np.abs(np.abs(after[:, 0]) - 2.4) < 1e-4
    edge |= np.abs(np.abs(after[:, 2]) - np.pi / 15) < 1e-4
    np.testing.assert_array_equal(ended[~edge], end[~edge])
    assert 0.1 < end.mean() < 0.9
    # gymnax's reward says whether the state before had ended, where no episode goes on.
    assert (reward == 1).all()


def test_breakout_is_the_same_game_to_the_cell(worlds: Browser) -> None:
    """Whole games, in which the paddle follows the ball mostly."""
    environment, parameters = gymnax.make("Breakout-MinAtar")
    step = jax.jit(environment.step_env)
    random = np.random.default_rng(2)
    longest = 0
    for game in range(8):
        _, state = environment.reset_env(jax.random.key(game), parameters)
        right = int(state.ball_x) == 9
        codes, seen, rewards, end = [], [], [], False
        careless = 0.02 if game % 2 else 0.3
        while not end and len(codes) < 800:
            away = int(np.sign(int(state.ball_x) - int(state.pos)))
            if random.random() < careless:
                away = int(random.integers(-1, 2))
            action = {-1: 1, 0: 0, 1: 2}[away]
            observation, state, reward, end, _ = step(KEY, state, action, parameters)
            codes.append((0, 1, 3)[action])
            seen.append(np.flatnonzero(np.asarray(observation).ravel()).tolist())
            rewards.append(float(reward))
        found = worlds.ask(f"""(() => {{
          let state = BREAKOUT.reset(() => {0.9 if right else 0.1});
          return {codes}.map((code) => {{
            const moved = BREAKOUT.step(state, code), seen = Array(400);
            state = moved.state;
            BREAKOUT.observe(state, seen);
            const set = seen.flatMap((value, at) => (value ? [at] : []));
            return [set, moved.reward, moved.ended];
          }});
        }})()""")
        assert [one[0] for one in found] == seen, game
        assert [one[1] for one in found] == rewards, game
        assert [one[2] for one in found] == [False] * (len(codes) - 1) + [bool(end)], game
        longest = max(longest, len(codes))
    assert longest > 100


def test_breakout_moves_alike_from_any_state(worlds: Browser) -> None:
    """From states that games reach seldom: few bricks or none, the ball beside the paddle."""
    random = np.random.default_rng(3)
    walls = random.random((NUMBER, 10, 10)) < random.choice([0, 0.1, 0.5, 1], (NUMBER, 1, 1))
    walls[:, [0, *range(4, 10)]] = False
    low = random.random(NUMBER) < 0.5
    columns = {
        "ball_x": random.integers(0, 10, NUMBER),
        "ball_y": np.where(low, 8, random.integers(0, 9, NUMBER)),
        "ball_dir": random.integers(0, 4, NUMBER),
        "pos": random.integers(0, 10, NUMBER),
        "strike": random.random(NUMBER) < 0.3,
    }
    columns["pos"] = np.where(
        low, np.clip(columns["ball_x"] + random.integers(-1, 2, NUMBER), 0, 9), columns["pos"]
    )
    actions = random.integers(0, 3, NUMBER)
    environment, parameters = gymnax.make("Breakout-MinAtar")
    _, example = environment.reset_env(KEY, parameters)
    rest = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (NUMBER, *jnp.shape(leaf))), example)
    given = {name: jnp.asarray(values) for name, values in columns.items()}
    before = rest.replace(**given, brick_map=jnp.asarray(walls, jnp.float32))
    step = jax.jit(jax.vmap(environment.step_env, (None, 0, 0, None)))
    seen, after, reward, end, _ = step(KEY, before, jnp.asarray(actions), parameters)
    values = [
        {
            **{
                key: int(columns[name][at])
                for key, name in (("x", "ball_x"), ("y", "ball_y"), ("way", "ball_dir"))
            },
            "paddle": int(columns["pos"][at]),
            "strike": bool(columns["strike"][at]),
            "bricks": walls[at].astype(int).ravel().tolist(),
            "code": (0, 1, 3)[actions[at]],
        }
        for at in range(NUMBER)
    ]
    found = ask_many(
        worlds,
        """(state) => {
          const { state: after, reward, ended } = BREAKOUT.step(state, state.code);
          const seen = Array(400);
          BREAKOUT.observe(after, seen);
          return [seen, reward, ended, after.way, after.strike];
        }""",
        values,
    )
    expected = (np.asarray(seen).reshape(NUMBER, -1), reward, end, after.ball_dir, after.strike)
    for at, other in enumerate(expected):
        np.testing.assert_array_equal(np.array([one[at] for one in found]), np.asarray(other))
    cleared = ~walls.any((1, 2)) & (np.asarray(after.brick_map).sum((1, 2)) == 30)
    assert cleared.sum() > 20 and 20 < np.asarray(end).sum() < NUMBER / 2


def test_an_action_becomes_the_game_s_own_and_sticks(worlds: Browser) -> None:
    """Of three actions 2 is right, of six 3 is; where actions always stick, that before the first
    one, which does nothing, goes on for ever."""
    function = """([actions, sticky, action]) => {
      const study = { task: "Breakout-MinAtar", actions, sticky, limit: 3 };
      const episode = new Episode(study, 7);
      const actor = { observation: new Uint8Array(400), act: () => action };
      while (!episode.ended) episode.step(actor, 0);
      return [episode.state.paddle, episode.steps, episode.lost];
    }"""
    given = [
        *[["minimal", 0, action] for action in range(3)],
        *[["full", 0, action] for action in range(6)],
        ["minimal", 1, 2],
    ]
    found = ask_many(worlds, function, given)
    assert [paddle for paddle, _, _ in found] == [4, 1, 7, 4, 1, 4, 7, 4, 4, 4]
    assert all(one[1:] == [3, False] for one in found), "the limit ends it, and nothing was lost"
    often = ask_many(
        worlds,
        """(seed) => {
          const study = { task: "Pendulum-v1", sticky: 0.25, limit: 400 };
          const episode = new Episode(study, seed);
          let told = 0, stuck = 0;
          const actor = { observation: new Float32Array(3), act: () => (told += 1) };
          while (!episode.ended) {
            episode.step(actor, 0);
            if (episode.last !== told) stuck += 1;
          }
          return stuck;
        }""",
        list(range(20)),
    )
    assert 0.22 < np.mean(often) / 400 < 0.28


def test_starts_are_spread_as_in_gymnax(worlds: Browser) -> None:
    """4,000 starts: the lowest, the highest and the mean, within a hundredth of the range."""
    for task, bounds, names in (
        ("Pendulum-v1", (np.pi, 1.0), ("theta", "speed")),
        ("CartPole-v1", (0.05,) * 4, ("x", "speed", "theta", "turning")),
    ):
        starts = ask_many(
            worlds, f'(seed) => WORLDS["{task}"].reset(randomNumbers(seed))', list(range(4000))
        )
        values = np.array([[start[name] for name in names] for start in starts]) / bounds
        assert np.abs(values.min(axis=0) + 1).max() < 0.02
        assert np.abs(values.max(axis=0) - 1).max() < 0.02
        assert np.abs(values.mean(axis=0)).max() < 0.04  # four standard errors
    right = ask_many(
        worlds, "(seed) => BREAKOUT.reset(randomNumbers(seed)).x === 9", list(range(4000))
    )
    assert 0.46 < np.mean(right) < 0.54


@pytest.mark.parametrize("name", PLAYED)
def test_what_is_known_of_a_world_is_what_the_environment_says(name: str) -> None:
    if name.startswith("gymnasium/"):
        pytest.importorskip("gymnasium")
    spec, own = make(name).spec, world(name).spec
    assert own.observation_shape == spec.observation_shape
    assert own.observation_dtype == spec.observation_dtype
    assert own.time_limit == spec.time_limit
    assert own.action == spec.action


def test_options_are_those_of_the_environment() -> None:
    name = "gymnax/Breakout-MinAtar?sticky=0.1&actions=full&time_limit=77"
    found, spec = world(name), make(name).spec
    assert (found.sticky, found.actions, found.limit) == (0.1, "full", spec.time_limit)
    assert found.spec.action == spec.action
    for wrong in ("brax/hopper", "gymnax/Acrobot-v1", "gymnasium/Pendulum-v1?g=9.81"):
        with pytest.raises(ValueError, match=r"the page .*allowed: "):
            world(wrong)
