"""Tiny environments with known values, for testing agents.

`probe/...`: what the critic of a correct agent finds, with discount g (and without an entropy
bonus). Every one comes with ``actions=continuous`` (one action in [-1, 1], the default) or
``actions=discrete`` (two actions).

- constant-reward: one step, reward 1. Q = 1.
- action-reward: one step; the reward depends on the action: continuous 1 - (a - 0.5)^2, which is
  best at a = 0.5; discrete: action 0 gives -1, action 1 gives 1. Q = the reward.
- delayed-reward: two steps, observed as 0 and 1; reward 0, then 1. Q(0) = g, Q(1) = 1.
- time-out: reward 1 at every step, cut after five steps. The cut is no end: Q = 1 / (1 - g).
- termination: reward 1 at every step, over for good after three steps; the observation is the
  number of steps taken. Q(0) = 1 + g + g^2, Q(1) = 1 + g, Q(2) = 1.

`synthetic/frames`: a ball falls through frames of 84x84 bytes, a paddle moves left, stays or moves
right; the reward at the end is 1 if the paddle catches it, else -1. It has Atari's shapes and needs
no Atari: observation uint8, four stacked frames, discrete actions.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num, UInt8

from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.envs.options import Options
from sparse_rl.envs.vector_env import Continuous, Discrete, EnvSpec

Steps = Int[Array, ""]


class _Probe(NamedTuple):
    """A probe: functions of the steps taken so far (before the step that is rewarded)."""

    observation: Callable[[Steps], Float[Array, " observation"]]
    reward: Callable[[Steps, Num[Array, "*action"]], Float[Array, ""]]
    length: int  # steps until it terminates
    time_limit: int


def _one(steps: Steps) -> Float[Array, "1"]:
    return jnp.ones(1)


def _count(steps: Steps) -> Float[Array, "1"]:
    return steps[None].astype(jnp.float32)


def _reward_of_action(steps: Steps, action: Num[Array, "*action"]) -> Float[Array, ""]:
    if jnp.issubdtype(action.dtype, jnp.integer):
        return 2.0 * action - 1.0
    return 1.0 - (action[0] - 0.5) ** 2


def _reward_one(steps: Steps, action: Num[Array, "*action"]) -> Float[Array, ""]:
    return jnp.float32(1.0)


def _reward_second(steps: Steps, action: Num[Array, "*action"]) -> Float[Array, ""]:
    return (steps == 1).astype(jnp.float32)


_NEVER = 1_000_000
_PROBES = {
    "constant-reward": _Probe(_one, _reward_one, length=1, time_limit=10),
    "action-reward": _Probe(_one, _reward_of_action, length=1, time_limit=10),
    "delayed-reward": _Probe(_count, _reward_second, length=2, time_limit=10),
    "time-out": _Probe(_one, _reward_one, length=_NEVER, time_limit=5),
    "termination": _Probe(_count, _reward_one, length=3, time_limit=10),
}


def names(suite: str) -> list[str]:
    """All environments of this suite."""
    return list(_PROBES) if suite == "probe" else ["frames"]


def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> JaxEnv:
    """Builds one environment; it is the same for training and for evaluation."""
    if identifier == "frames":
        options.finish()
        return _falling_ball(full_name)
    kind = options.choice("actions", "continuous", ("continuous", "discrete"))
    options.finish()
    probe = _PROBES[identifier]

    def reset_one(key: Key[Array, ""]) -> tuple[Steps, Float[Array, " observation"]]:
        return jnp.int32(0), probe.observation(jnp.int32(0))

    def step_one(key: Key[Array, ""], steps: Steps, action: Num[Array, "*action"]) -> Transition:
        after = steps + 1
        return Transition(
            after, probe.observation(after), probe.reward(steps, action), after >= probe.length
        )

    spec = EnvSpec(
        name=full_name,
        observation_shape=(1,),
        observation_dtype=np.dtype(np.float32),
        action=Discrete(2) if kind == "discrete" else Continuous((-1.0,), (1.0,)),
        time_limit=probe.time_limit,
    )
    return JaxEnv(spec, reset_one, step_one)


_SIZE = 84
_STRIDE = 6  # pixels that ball and paddle move in one step
_BALL = 6
_PADDLE = 18


class _Ball(NamedTuple):
    row: Int[Array, ""]
    column: Int[Array, ""]
    paddle: Int[Array, ""]


def _frame(state: _Ball) -> UInt8[Array, "84 84"]:
    rows, columns = jnp.arange(_SIZE)[:, None], jnp.arange(_SIZE)[None, :]
    ball = _within(rows, state.row, _BALL) & _within(columns, state.column, _BALL)
    paddle = (rows >= _SIZE - _STRIDE) & _within(columns, state.paddle, _PADDLE)
    return jnp.where(paddle, 148, jnp.where(ball, 236, 0)).astype(jnp.uint8)


def _within(index: Int[Array, "..."], start: Int[Array, ""], size: int) -> Array:
    return (index >= start) & (index < start + size)


def _falling_ball(full_name: str) -> JaxEnv:
    def reset_one(key: Key[Array, ""]) -> tuple[_Ball, UInt8[Array, "84 84"]]:
        column = _STRIDE * jax.random.randint(key, (), 0, _SIZE // _STRIDE)
        state = _Ball(jnp.int32(0), column, jnp.int32((_SIZE - _PADDLE) // 2))
        return state, _frame(state)

    def step_one(key: Key[Array, ""], state: _Ball, action: Int[Array, ""]) -> Transition:
        paddle = jnp.clip(state.paddle + _STRIDE * (action - 1), 0, _SIZE - _PADDLE)
        state = _Ball(state.row + _STRIDE, state.column, paddle)
        landed = state.row >= _SIZE - _BALL
        offset = state.column - state.paddle
        caught = (offset > -_BALL) & (offset < _PADDLE)
        reward = jnp.where(landed, jnp.where(caught, 1.0, -1.0), 0.0)
        return Transition(state, _frame(state), reward, landed)

    spec = EnvSpec(
        name=full_name,
        observation_shape=(_SIZE, _SIZE),
        observation_dtype=np.dtype(np.uint8),
        action=Discrete(3),
        time_limit=100,
        frame_stack=4,
    )
    return JaxEnv(spec, reset_one, step_one)
