"""Environments of Gymnasium, drawn by themselves in their mode "rgb_array".

A state names the seed of the episode's start and the actions since (`envs.suites.gymnasium`): a
simulator that draws takes the same actions, and so stands where the one stood that was played.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
from PIL import Image

from sparse_rl.environment_name import taken_apart
from sparse_rl.envs.options import Options
from sparse_rl.envs.suites.gymnasium_simulator import given, recipe_of

WIDTH = 320
"""Pixels of a picture at most; Gymnasium's own are about twice as wide."""


class _Drawing:
    """Pictures of states; quick where each state follows the one before."""

    def __init__(self, simulator: gymnasium.Env) -> None:
        self._simulator = simulator  # never closed: pygame would end for every other drawing, too
        self._seed = -1
        self._taken: list[np.ndarray] = []

    def __call__(self, state: Any, observation: np.ndarray) -> Image.Image:
        inner = {name: np.asarray(leaf)[0] for name, leaf in state.inner.items()}
        seed, actions = int(inner["seed"]), list(inner["actions"][: int(inner["count"])])
        count = len(self._taken)
        if seed != self._seed or not np.array_equal(self._taken, actions[:count]):
            self._simulator.reset(seed=seed)
            self._seed, self._taken, count = seed, [], 0
        for action in actions[count:]:
            self._simulator.step(given(action, self._simulator.action_space))
            self._taken.append(action)
        return picture(self._simulator)


def drawing(environment: str) -> tuple[Callable[[Any, np.ndarray], Image.Image], float]:
    """How to draw its states, and how many steps make a second, as the environment says.

    Raises ValueError, one line: it does not draw itself, or a package for that is missing.
    """
    recipe = recipe_of(taken_apart(environment).task, Options(environment))
    try:
        with contextlib.closing(recipe.simulator()) as probe:
            modes = probe.metadata.get("render_modes") or []
        if "rgb_array" not in modes:
            found = ", ".join(map(str, modes)) or "none"
            raise ValueError(f"of the render modes it has {found}; needed is rgb_array")
        simulator = recipe.simulator("rgb_array")
        with _without_screen_and_sound():
            simulator.reset(seed=0)
            picture(simulator)
    except Exception as error:  # whatever the environment's own drawing needs and does not find
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{environment}: there is no drawing of it: {reason}") from None
    return _Drawing(simulator), float(simulator.metadata.get("render_fps") or 30)


@contextlib.contextmanager
def _without_screen_and_sound() -> Iterator[None]:
    """SDL, which pygame starts, looks for neither: it complains of them where there are none."""
    before = {name: os.environ.get(name) for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER")}
    os.environ.update({name: value or "dummy" for name, value in before.items()})
    try:
        yield
    finally:
        for name in [name for name, value in before.items() if value is None]:
            del os.environ[name]


def picture(simulator: gymnasium.Env) -> Image.Image:
    """What the simulator shows of itself now, at most `WIDTH` pixels wide."""
    shown = Image.fromarray(np.asarray(simulator.render(), np.uint8))
    height = round(shown.height * WIDTH / shown.width)
    return shown.resize((WIDTH, height), Image.Resampling.LANCZOS) if shown.width > WIDTH else shown
