"""From an environment's name to how its states are drawn and how fast its time passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from PIL import Image

from sparse_rl.environment_name import taken_apart
from sparse_rl.render import classic_control, minatar

FASTEST = 30.0
"""Frames a second of a film, about; faster worlds are shown in every n-th state."""


@dataclass(frozen=True)
class Scene:
    """How one environment is drawn.

    Attributes:
        draw: (state of a batch of one, its observation) -> picture.
        steps_per_second: how fast the world's time passes.
    """

    draw: Callable[[Any, np.ndarray], Image.Image]
    steps_per_second: float

    @property
    def stride(self) -> int:
        """Steps between two frames, so that a film has about `FASTEST` a second."""
        return max(1, round(self.steps_per_second / FASTEST))

    @property
    def frames_per_second(self) -> float:
        return self.steps_per_second / self.stride


def scene(environment: str) -> Scene:
    """How to draw the environment with this name.

    Raises:
        ValueError: there is no drawing of it; one line with what there is.
    """
    suite, task, _ = taken_apart(environment)
    if suite == "gymnax" and task in minatar.PLANES:
        return Scene(lambda state, observation: minatar.draw(task, observation > 0), 10.0)
    if suite == "gymnax" and task in classic_control.DRAWINGS:
        drawing = classic_control.DRAWINGS[task]
        return Scene(lambda state, observation: drawing(_first(state.inner)), 30.0)
    if suite == "atari":
        return Scene(lambda state, observation: _screen(observation), 15.0)
    if suite == "brax":
        from sparse_rl.render import brax_scene

        return Scene(*brax_scene.drawing(environment))
    if suite == "mujoco":
        from sparse_rl.render import mujoco_scene

        return Scene(*mujoco_scene.drawing(environment))
    if suite == "gymnasium":
        from sparse_rl.render import gymnasium_scene

        return Scene(*gymnasium_scene.drawing(environment))
    known = ", ".join([*minatar.PLANES, *classic_control.DRAWINGS])
    raise ValueError(
        f"{environment}: there is no drawing of it; drawn are atari/..., brax/..., mujoco/..., "
        f"gymnasium/... and gymnax/ with {known}"
    )


def _screen(observation: np.ndarray) -> Image.Image:
    """The grey picture that the policy sees, three times as large."""
    picture = Image.fromarray(observation.astype(np.uint8)).convert("RGB")
    return picture.resize((3 * picture.width, 3 * picture.height), Image.Resampling.NEAREST)


def _first(inner: Any) -> Any:
    """The state of the only environment of a batch, without its batch axis.

    With sticky actions the state is (action before, state proper).
    """
    proper = inner[1] if isinstance(inner, tuple) and not hasattr(inner, "_fields") else inner
    return jax.tree.map(lambda leaf: np.asarray(leaf)[0], proper)
