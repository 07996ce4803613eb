"""The probes have the values that their documentation states; the frames have Atari's shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs import Continuous, Discrete, make
from sparse_rl.envs.vector_env import VectorEnv


def steps(env: VectorEnv, actions: list[float]) -> list[tuple[float, float, bool, bool, bool]]:
    """(observation, reward, terminated, truncated, valid) of each step, single environment."""
    state, _ = env.reset(jax.random.split(jax.random.key(0), 1))
    rows = []
    for action in actions:
        discrete = isinstance(env.spec.action, Discrete)
        state, out = env.step(state, jnp.array([int(action)] if discrete else [[action]]))
        rows.append((out.observation[0].item(), *(x[0].item() for x in out[1:])))
    return rows


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_rewards_and_ends(kind: str) -> None:
    probe = lambda name: make(f"probe/{name}?actions={kind}")  # noqa: E731
    assert steps(probe("constant-reward"), [0, 0, 0]) == [
        (1, 1, True, False, True),
        (1, 0, False, False, False),
        (1, 1, True, False, True),
    ]
    assert steps(probe("delayed-reward"), [0, 0, 0]) == [
        (1, 0, False, False, True),
        (2, 1, True, False, True),
        (0, 0, False, False, False),
    ]
    assert steps(probe("time-out"), [0] * 6) == [
        *[(1, 1, False, False, True)] * 4,
        (1, 1, False, True, True),
        (1, 0, False, False, False),
    ]
    assert steps(probe("termination"), [0] * 4) == [
        (1, 1, False, False, True),
        (2, 1, False, False, True),
        (3, 1, True, False, True),
        (0, 0, False, False, False),
    ]


def test_action_reward() -> None:
    assert [row[1] for row in steps(make("probe/action-reward?actions=discrete"), [0, 0, 1])] == [
        -1.0,
        0.0,  # the reset
        1.0,
    ]
    rewards = [row[1] for row in steps(make("probe/action-reward"), [0.5, 0.0, -0.5])]
    assert rewards == [1.0, 0.0, 0.0]


def test_frames_can_be_caught_by_following_the_ball() -> None:
    env = make("synthetic/frames")
    spec = env.spec
    assert (spec.observation_shape, spec.observation_dtype) == ((84, 84), np.uint8)
    assert spec.frame_stack == 4 and not isinstance(spec.action, Continuous)
    state, frame = env.reset(jax.random.split(jax.random.key(1), 8))
    step = jax.jit(env.step)
    followed = []
    for _ in range(20):
        ball = jnp.argmax(jnp.max(frame == 236, axis=1), axis=1) + 3
        paddle = jnp.argmax(jnp.max(frame == 148, axis=1), axis=1) + 9
        state, out = step(state, 1 + jnp.sign(ball - paddle) * (abs(ball - paddle) > 3))
        frame = out.observation
        followed.append(out.reward[out.terminated])
    rewards = np.concatenate(followed)
    assert len(rewards) == 8 and (rewards == 1).all()
    # A paddle that runs to the left misses the balls that fall elsewhere.
    state, _ = env.reset(jax.random.split(jax.random.key(1), 8))
    total = jnp.zeros(8)
    for _ in range(14):
        state, out = step(state, jnp.zeros(8, int))
        total += out.reward
    assert total.min() == -1
