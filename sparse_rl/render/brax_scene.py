"""brax: the robot from the positions of its links, and brax's own viewer as an HTML page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from brax import envs
from PIL import Image

from sparse_rl.environment_name import taken_apart
from sparse_rl.envs.options import Options
from sparse_rl.render import bodies, robots


def drawing(environment: str) -> tuple[Callable[[Any, np.ndarray], Image.Image], float]:
    """How states of `brax/<task>?backend=...` are drawn, and steps per second of its time."""
    world = _world(environment)
    model, system = world.sys.mj_model, world.sys
    task = taken_apart(environment).task
    view, floor = robots.view_of(task), robots.floor_of(model)
    shown = robots.window_of(model, view)

    def draw(state: Any, observation: np.ndarray) -> Image.Image:
        links = state.inner.pipeline_state.x
        position, rotation = _place_geoms(
            system, np.asarray(links.pos)[0], np.asarray(links.rot)[0]
        )
        parts = robots.solids(model, position, rotation)
        focus = np.asarray(links.pos)[0, 0].astype(float)
        return bodies.draw(parts, robots.centred(focus, shown, floor), shown.height, view, floor)

    return draw, 1.0 / float(world.dt)


def viewer(environment: str, states: Sequence[Any]) -> str:
    """brax's interactive viewer as an HTML page; it loads three.js from the net when opened."""
    from brax.io import html

    world = _world(environment)
    shown = [
        jax.tree.map(lambda leaf: np.asarray(leaf)[0], state.inner.pipeline_state)
        for state in states
    ]
    page: str = html.render(world.sys.tree_replace({"opt.timestep": world.dt}), shown)
    return page


def _world(environment: str) -> Any:
    task = taken_apart(environment).task
    default = "generalized" if task == "swimmer" else "spring"
    backend = Options(environment).choice(
        "backend", default, ("spring", "positional", "generalized", "mjx")
    )
    with warnings.catch_warnings():
        # At every load brax says that its physics are no longer developed; we know.
        warnings.filterwarnings("ignore", "Brax System", UserWarning)
        return envs.get_environment(task, backend=backend)


def _place_geoms(
    system: Any, position: np.ndarray, rotation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Geoms in the world from their links there; body 0 is the world itself."""
    link_position = np.concatenate([np.zeros((1, 3)), position])
    link_rotation = np.concatenate([np.eye(3)[None], _matrices(rotation)])
    body = np.asarray(system.geom_bodyid)
    own = np.asarray(system.geom_pos)
    placed = link_position[body] + np.einsum("gij,gj->gi", link_rotation[body], own)
    return placed, link_rotation[body] @ _matrices(np.asarray(system.geom_quat))


def _matrices(quaternions: np.ndarray) -> np.ndarray:
    """Rotation matrices of unit quaternions (w, x, y, z)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(quaternions, scalar_first=True).as_matrix()
