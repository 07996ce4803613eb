"""Environments as users write them, with the mistakes that they make; registered with Gymnasium."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import PendulumEnv


class Raises(PendulumEnv):
    """Its motor burns after twenty steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.steps > 20:
            raise RuntimeError("the motor\nis on fire")
        return super().step(action)


class Shape(PendulumEnv):
    """Observes more than it declares."""

    def step(self, action: Any) -> Any:
        observation, *others = super().step(action)
        return np.append(observation, 0), *others


class Old(PendulumEnv):
    """Of the time when a step had four results."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, _, about = super().step(action)
        return observation, reward, terminated, about


class Unseeded(PendulumEnv):
    """Starts anywhere, whatever the seed."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset()


class Remembers(PendulumEnv):
    """Tires from step to step, also over a reset."""

    def __init__(self) -> None:
        super().__init__()
        self.tired = 0.0

    def step(self, action: Any) -> Any:
        self.tired += 0.01
        return super().step(action * (1 - min(self.tired, 1)))


class Infinite(PendulumEnv):
    """Divides by zero after ten steps, and rewards in thousands."""

    def reset(self, **words: Any) -> Any:
        self.steps = 0
        return super().reset(**words)

    def step(self, action: Any) -> Any:
        self.steps += 1
        observation, reward, *others = super().step(action)
        return observation / np.float32(self.steps != 10), 1000 * reward, *others


class Category(gymnasium.Env):
    """Counts from 5 to 7, and goes on where it has declared no more."""

    observation_space = gymnasium.spaces.Discrete(3, start=5)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.number = 5
        return self.number, {}

    def step(self, action: Any) -> Any:
        self.number += 1 if action else -1
        return self.number, 0.0, False, False, {}


class Boundless(PendulumEnv):
    """Its bounds stand for none: the largest numbers that there are."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.action_space = gymnasium.spaces.Box(-most, most, (1,), np.float64)


class Actionless(gymnasium.Env):
    """Declares what it shows and not what can be done."""

    observation_space = gymnasium.spaces.Discrete(3)


for kind in (Actionless, Category, Raises, Shape, Old, Unseeded, Remembers, Infinite):
    gymnasium.register(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=40)


def name(kind: type) -> str:
    """As an environment of a study."""
    return f"gymnasium/{__name__}:{kind.__name__}-v0"
