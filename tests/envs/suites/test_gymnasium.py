"""Registered Gymnasium environments through the adapter: same numbers, exact forks."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from sparse_rl.envs import Continuous, Discrete, episodes, failure, make  # noqa: E402
from sparse_rl.envs.failure import EnvironmentFailure  # noqa: E402
from sparse_rl.envs.options import Options  # noqa: E402
from sparse_rl.envs.suites.gymnasium_simulator import given, recipe_of  # noqa: E402
from sparse_rl.playing.play import play  # noqa: E402
from sparse_rl.spaces import to_env_action  # noqa: E402
from tests.envs.own_environments import Actionless, Boundless, Category, name  # noqa: E402

needs_box2d = pytest.mark.skipif(
    importlib.util.find_spec("Box2D") is None, reason="needs Gymnasium's extra box2d"
)
NAMES = [
    "CartPole-v1",
    "Pendulum-v1",
    pytest.param("LunarLander-v3", marks=needs_box2d),
    pytest.param("LunarLanderContinuous-v3", marks=needs_box2d),
]


def actions_for(env, steps: int, batch: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    if isinstance(env.spec.action, Discrete):
        return generator.integers(env.spec.action.n, size=(steps, batch)).astype(np.int32)
    size = (steps, batch, len(env.spec.action.low))
    return generator.uniform(-1, 1, size).astype(np.float32)


def seeds(keys: jax.Array) -> np.ndarray:
    """The seeds from which the environments with these keys would restart now."""
    now = episodes.split(keys)[1]
    return np.asarray(jax.vmap(lambda key: jax.random.bits(key, (), jnp.uint32))(now))


@pytest.mark.parametrize("identifier", NAMES)
def test_same_numbers_as_gymnasium(identifier: str) -> None:
    env = make(f"gymnasium/{identifier}?time_limit=90")
    own = gymnasium.make(identifier, max_episode_steps=90)
    actions = actions_for(env, 200, 2)
    keys = jax.random.split(jax.random.key(1), 2)
    state, first = jax.jit(env.reset)(keys)
    expected, _ = own.reset(seed=int(seeds(keys)[0]))
    np.testing.assert_array_equal(first[0], np.float32(expected))
    step, ends = jax.jit(env.step), 0
    for action in actions:
        before = state
        state, out = step(state, action)
        if before.ended[0]:
            expected, _ = own.reset(seed=int(seeds(before.key)[0]))
            reward, terminated, truncated = 0.0, False, False
        else:
            given = action[0]
            if isinstance(env.spec.action, Continuous):
                given = np.clip(given * own.action_space.high, -2, 2)
            expected, reward, terminated, truncated, _ = own.step(given)
        np.testing.assert_array_equal(out.observation[0], np.float32(expected))
        assert float(out.reward[0]) == pytest.approx(float(np.float32(reward)), abs=0)
        assert (bool(out.terminated[0]), bool(out.truncated[0])) == (terminated, truncated)
        assert bool(out.valid[0]) != bool(before.ended[0])
        ends += terminated or truncated
    assert ends >= 1


@pytest.mark.parametrize("identifier", NAMES)
def test_forks_and_a_resumed_process_continue_exactly(identifier: str) -> None:
    name = f"gymnasium/{identifier}?time_limit=70"
    env = make(name)
    actions = actions_for(env, 120, 3)
    run = jax.jit(lambda e, s, a: jax.lax.scan(e.step, s, a), static_argnums=0)
    state, _ = env.reset(jax.random.split(jax.random.key(2), 3))
    state, _ = run(env, state, actions[:50])
    saved = jax.tree.map(lambda x: x, state)
    state, expected = run(env, state, actions[50:])

    # The simulators have moved on, so each of these is found by its fingerprint or replayed.
    parents = jnp.array([1, 1, 0, 2])
    forked = jax.tree.map(lambda x: x[parents], saved)
    _, copies = run(env, forked, actions[50:, parents])
    wanted = jax.tree.map(lambda x: x[:, parents], expected)
    jax.tree.map(np.testing.assert_array_equal, copies, wanted)

    # In another process there are no simulators at all; nothing but the state can help.
    make.cache_clear()
    again = make(name)
    assert again is not env
    _, resumed = run(again, saved, actions[50:])
    jax.tree.map(np.testing.assert_array_equal, resumed, expected)


def test_the_number_of_simulators_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make("gymnasium/MountainCar-v0")
    pool = env.advance.__self__.pool  # type: ignore[union-attr]
    made, make_one = [], pool._make
    monkeypatch.setattr(pool, "_make", lambda: made.append(make_one()) or made[-1])
    for seed in range(6):
        state, _ = env.reset(jax.random.split(jax.random.key(seed), 3))
        env.step(state, jnp.zeros(3, int))
    assert len(made) <= 6


def test_categories_become_one_hot() -> None:
    env = make("gymnasium/FrozenLake-v1")
    assert (env.spec.observation_shape, env.spec.action) == ((16,), Discrete(4))
    _, observation = env.reset(jax.random.split(jax.random.key(0), 2))
    np.testing.assert_array_equal(observation, np.eye(16)[[0, 0]])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True), ("False", False), ("FALSE", False), ("None", None), ("null", None),
        ("-5", -5), ("1e-3", 1e-3), ("human", "human"),
    ],
)  # fmt: skip
def test_an_argument_means_what_it_says_in_any_capitals(written: str, meant: object) -> None:
    """The word False would be as good as true to an environment."""
    recipe = recipe_of("Some-v0", Options(f"gymnasium/Some-v0?argument={written}"))
    found = recipe.arguments["argument"]
    assert found == meant and type(found) is type(meant)


@pytest.mark.parametrize(("action", "found"), [(0, 4), (1, 8)])
def test_a_category_that_was_not_declared_is_refused(action: int, found: int) -> None:
    env = make(name(Category))
    state, first = env.reset(jax.random.split(jax.random.key(0), 1))
    np.testing.assert_array_equal(first, [[1, 0, 0]])
    with pytest.raises(EnvironmentFailure) as caught, failure.told():
        for _ in range(3):
            state, out = env.step(state, jnp.full(1, action))
            jax.block_until_ready(out)
    assert f"observation {found}; declared is Discrete(3, start=5)" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gymnasium/CartPole-v7", ["CartPole-v1", "gymnasium/my_package:CartPole-v7"]),
        ("gymnasium/Blackjack-v1", ["no limit", "Blackjack-v1?time_limit=1000"]),
        ("gymnasium/Blackjack-v1?flatten=true", ["no limit", "?flatten=true&time_limit=1000"]),
        ("gymnasium/CartPole-v1?flatten=yes", ["flatten", "'yes'", "true, false"]),
        ("gymnasium/CartPole-v1?gravity=3", ["unexpected keyword argument 'gravity'"]),
        ("gymnasium/Blackjack-v1?time_limit=9", ["Tuple", "Box", "flatten=true"]),
        ("gymnasium/no_such_package:Thing-v0", ["no_such_package"]),
        ("gymnasium/CartPole-v1?frame_stack=65", ["frame_stack", "'65'", "at most 64"]),
        (name(Actionless), ["has no action_space"]),
        pytest.param(
            "gymnasium/CarRacing-v3?frame_stack=4",
            ["(96, 96, 3)", "frame_stack", "colors"],
            marks=needs_box2d,
        ),
    ],
)
def test_refusals(name: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        make(name)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_package_may_register_its_own(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_worlds.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('Mine-v0', 'gymnasium.envs.classic_control:CartPoleEnv',"
        " max_episode_steps=5)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make("gymnasium/my_worlds:Mine-v0").spec.time_limit == 5


def test_arguments_stand_in_the_name() -> None:
    env, own = make("gymnasium/Pendulum-v1?g=3.5"), gymnasium.make("Pendulum-v1", g=3.5)
    keys = jax.random.split(jax.random.key(0), 1)
    state, first = env.reset(keys)
    expected, _ = own.reset(seed=int(seeds(keys)[0]))
    np.testing.assert_array_equal(first[0], expected)
    _, out = env.step(state, jnp.full((1, 1), 0.5))
    np.testing.assert_array_equal(out.observation[0], own.step(np.array([1.0], np.float32))[0])


def test_observations_of_several_parts_become_one_vector() -> None:
    env = make("gymnasium/Blackjack-v1?flatten=true&time_limit=9")
    own = gymnasium.wrappers.FlattenObservation(gymnasium.make("Blackjack-v1"))
    keys = jax.random.split(jax.random.key(0), 1)
    _, first = env.reset(keys)
    np.testing.assert_array_equal(first[0], own.reset(seed=int(seeds(keys)[0]))[0])


def test_a_policy_may_see_several_observations_at_once() -> None:
    env = make("gymnasium/Pendulum-v1?frame_stack=3&time_limit=5")
    assert (env.spec.observation_shape, env.spec.policy_shape) == ((3,), (3, 3))
    played = play(lambda seen: np.full((1, 1), 0.5), env, 1, seed=0, keep=5)
    own = gymnasium.wrappers.FrameStackObservation(
        gymnasium.make("Pendulum-v1"), 3, padding_type="zero"
    )
    start = int(seeds(jax.random.split(jax.random.key(0), 1))[0])
    expected = [own.reset(seed=start)[0]]
    expected += [own.step(np.array([0.5], np.float32))[0] for _ in range(4)]
    np.testing.assert_array_equal(played.observations, np.moveaxis(expected, 1, -1))


def test_every_integer_of_a_box_is_reached_the_ends_by_half_as_many_actions() -> None:
    box = gymnasium.spaces.Box(-1, 3, (1,), np.int64)
    actions = np.linspace(-1, 1, 8001, dtype=np.float32)[:, None]
    in_its_units = to_env_action(Continuous((-1.0,), (3.0,)), actions)
    reached = np.array([given(action, box) for action in in_its_units])
    assert reached.dtype == np.int64 and reached.shape == (8001, 1)
    values, counts = np.unique(reached, return_counts=True)
    assert values.tolist() == [-1, 0, 1, 2, 3]
    np.testing.assert_allclose(counts, [1000, 2000, 2000, 2000, 1000], atol=2)  # ties go to even


def test_no_action_is_beyond_bounds_that_are_doubles() -> None:
    box = gymnasium.spaces.Box(np.array([-0.1, 0]), np.array([0.1, 1 / 3]), dtype=np.float64)
    ours = Continuous(tuple(box.low), tuple(box.high))
    for end in (-1.0, 1.0):
        action = given(to_env_action(ours, np.full((1, 2), end, np.float32))[0], box)
        assert box.contains(action)  # float32(-0.1) is below -0.1, float32(1 / 3) above 1 / 3


@pytest.mark.parametrize("most", [np.inf, 3.4e38, 1e300])
def test_bounds_to_which_nothing_can_be_rescaled_are_refused(most: float) -> None:
    gymnasium.register(
        "Boundless-v0",
        lambda: Boundless(most),
        max_episode_steps=5,
    )
    try:
        with pytest.raises(ValueError, match=r"only Discrete and a Box with finite bounds"):
            make("gymnasium/Boundless-v0")
    finally:
        del gymnasium.registry["Boundless-v0"]


def test_values_are_numbers_words_or_true_and_false() -> None:
    recipe = recipe_of("Any-v0", Options("gymnasium/Any-v0?a=1&b=-2.5&c=true&d=blue&time_limit=7"))
    assert recipe.arguments == {"a": 1, "b": -2.5, "c": True, "d": "blue"}
    assert (recipe.time_limit, recipe.flatten) == (7, False)
