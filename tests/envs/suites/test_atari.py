"""Atari through the adapter is ALE: frames and rewards equal those of ALE's own vector wrapper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ale_py = pytest.importorskip("ale_py", reason="needs the extra atari")

from ale_py.vector_env import AtariVectorEnv  # noqa: E402

from sparse_rl.envs import Discrete, make  # noqa: E402
from sparse_rl.envs.suites.atari import _Game, names  # noqa: E402
from sparse_rl.envs.suites.atari_frames import shrink  # noqa: E402


def new_game(rom: str = "breakout", **rules) -> _Game:
    defaults = {
        "sticky": 0.0,
        "full_actions": False,
        "presses_fire": True,
        "one_life": False,
        "sign_of_reward": False,
        "time_limit": 27_000,
    }
    return _Game(rom=rom, **{**defaults, **rules})


@pytest.mark.parametrize(
    "rom", ["pong", "boxing", "tutankham", "crazy_climber", "enduro", "breakout"]
)
def test_frames_and_rewards_are_ales_own(rom: str) -> None:
    """From the first frame after FIRE; with at most one no-op, ALE's start is not random."""
    own = AtariVectorEnv(rom, 1, noop_max=1, reward_clipping=False, use_fire_reset=True)
    expected, _ = own.reset(seed=5)
    game = new_game(rom)
    emulator = game._switch_on()
    if game._fires:
        emulator.act(ale_py.Action.FIRE)
    np.testing.assert_array_equal(shrink(emulator.getScreenGrayscale()), expected[0, -1])
    generator = np.random.default_rng(0)
    moved = 0
    for _ in range(500):
        action = int(generator.integers(len(game.actions)))
        expected, wanted, over, _, _ = own.step(np.array([action]))
        reward, screen = game._play(emulator, [game.actions[action]] * 4)
        assert reward == wanted[0] and emulator.game_over() == over[0]
        if over[0]:  # ALE fills up a step that ends early with frames of the step before
            break
        np.testing.assert_array_equal(shrink(screen), expected[0, -1])
        moved += bool((expected[0, -1] != expected[0, -2]).any())
    assert moved > 50


def test_shrinking_conserves_light_and_rounds_like_opencv() -> None:
    assert (shrink(np.full((210, 160), 77, np.uint8)) == 77).all()
    screen = np.random.default_rng(0).integers(0, 256, (210, 160)).astype(np.uint8)
    small = shrink(screen).astype(float)
    assert small.mean() == pytest.approx(screen.mean(), abs=0.05)
    # The first pixel covers 2.5 rows and 160/84 columns.
    rows, columns = np.array([1, 1, 0.5]), np.array([1, 160 / 84 - 1])
    area = (rows[:, None] * columns * screen[:3, :2]).sum() / (rows.sum() * columns.sum())
    assert abs(small[0, 0] - area) <= 0.5


def run(env, state, actions):
    return jax.jit(lambda s, a: jax.lax.scan(env.step, s, a))(state, actions)


def random_actions(env, steps: int, batch: int) -> np.ndarray:
    assert isinstance(env.spec.action, Discrete)
    return np.random.default_rng(1).integers(env.spec.action.n, size=(steps, batch))


@pytest.mark.parametrize("options", ["", "?sticky=0.25"])
def test_forks_and_a_resumed_process_continue_exactly(options: str) -> None:
    name = f"atari/Breakout{options}"
    env = make(name)
    actions = random_actions(env, 160, 2)
    state, _ = env.reset(jax.random.split(jax.random.key(2), 2))
    saved, first = run(env, state, actions[:80])
    assert not first.valid.all(), "the test must see a lost life"
    _, expected = run(env, saved, actions[80:])
    parents = jnp.array([1, 0, 1])
    forked = jax.tree.map(lambda x: x[parents], saved)
    _, copies = run(env, forked, actions[80:, parents])
    jax.tree.map(
        np.testing.assert_array_equal, copies, jax.tree.map(lambda x: x[:, parents], expected)
    )
    make.cache_clear()  # another process knows nothing but the state
    _, resumed = run(make(name), saved, actions[80:])
    jax.tree.map(np.testing.assert_array_equal, resumed, expected)


def test_what_happens_to_one_does_not_depend_on_the_batch() -> None:
    env = make("atari/Boxing")
    keys = jax.random.split(jax.random.key(0), 3)
    actions = random_actions(env, 40, 3)
    state, first = env.reset(keys)
    _, outcomes = run(env, state, actions)
    alone_state, alone_first = env.reset(keys[1:2])
    _, alone = run(env, alone_state, actions[:, 1:2])
    np.testing.assert_array_equal(first[1:2], alone_first)
    jax.tree.map(np.testing.assert_array_equal, alone, jax.tree.map(lambda x: x[:, 1:2], outcomes))
    assert (first[0] != first[1]).any() or (
        outcomes.observation[:, 0] != alone.observation[:, 0]
    ).any()


def test_training_episodes_are_lives_and_evaluation_episodes_are_games() -> None:
    """Breakout has five lives; without moving, every ball is lost."""
    train, test = make("atari/Breakout"), make("atari/Breakout?fire=on", evaluation=True)
    fire = 1
    keys = jax.random.split(jax.random.key(0), 1)
    actions = jnp.full((400, 1), fire)
    _, lives = run(train, train.reset(keys)[0], actions)
    _, games = run(test, test.reset(keys)[0], actions)
    assert lives.terminated.sum() >= 4 * games.terminated.sum() >= 4
    # A new life is not a new game: bricks that were hit stay away. A new game has them all.
    after_life = np.flatnonzero(~np.asarray(lives.valid[:, 0]))
    bricks = np.asarray(lives.observation[after_life, 0])[:, 24:38, 4:80].sum(axis=(1, 2))
    assert (np.diff(bricks[:4].astype(int)) <= 0).all()


def test_training_sees_signs_and_evaluation_the_score() -> None:
    """The first prizes in Seaquest are worth 20 points each."""
    keys = jax.random.split(jax.random.key(3), 2)
    train, test = make("atari/Seaquest"), make("atari/Seaquest", evaluation=True)
    actions = random_actions(train, 150, 2)
    clipped = np.asarray(run(train, train.reset(keys)[0], actions)[1].reward)
    score = np.asarray(run(test, test.reset(keys)[0], actions)[1].reward)
    assert set(np.unique(clipped)) <= {-1.0, 0.0, 1.0} and clipped.max() == 1
    assert score.max() >= 20


def test_time_limit_counts_the_game_and_not_the_life() -> None:
    env = make("atari/Breakout?time_limit=90")
    actions = jnp.ones((95, 1), int)
    _, out = run(env, env.reset(jax.random.split(jax.random.key(0), 1))[0], actions)
    steps = np.cumsum(out.valid[:, 0])
    assert out.terminated.any()  # a life was lost before the limit
    cut = np.flatnonzero(out.truncated[:, 0])
    assert len(cut) == 1 and steps[cut[0]] == 90


def test_sticky_actions_hold_the_action_before() -> None:
    game = new_game(sticky=0.25)
    state = {"seed": np.array([7], np.uint32), "steps": np.array([0]), "last_action": np.array([0])}
    repeats = total = 0
    for step in range(2000):
        state["steps"][0] = step
        before = int(state["last_action"][0])
        asked = 1 + step % 3
        for action in game._sticking(state, 0, asked):
            repeats += action != game.actions[asked]
            assert action in (game.actions[before], game.actions[asked])
            total += 1
    # A change of action takes hold at frame k with chance .25^k .75; mean delay over 4 frames:
    expected = (0.25 + 0.25**2 + 0.25**3 + 0.25**4) / 4
    assert repeats / total == pytest.approx(expected, abs=0.012)


def test_the_papers_games_are_bundled() -> None:
    assert {"Pong", "Boxing", "Tutankham", "CrazyClimber", "Enduro"} <= set(names("atari"))
    spec = make("atari/CrazyClimber").spec
    assert (spec.observation_shape, spec.observation_dtype) == ((84, 84), np.uint8)
    assert (spec.frame_stack, spec.time_limit, spec.action) == (4, 27_000, Discrete(9))
