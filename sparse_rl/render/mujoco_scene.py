"""Gymnasium's MuJoCo tasks, from the simulator's state (host) or from qpos (MJX)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from sparse_rl.environment_name import taken_apart
from sparse_rl.envs.host import as_doubles
from sparse_rl.envs.suites.mujoco import host as mujoco_host
from sparse_rl.envs.suites.mujoco import model as mujoco_model
from sparse_rl.envs.suites.mujoco.tasks import TASKS
from sparse_rl.render import bodies, robots


def drawing(environment: str) -> tuple[Callable[[Any, np.ndarray], Image.Image], float]:
    """How states of `mujoco/<task>` are drawn, and steps per second of its time."""
    name = taken_apart(environment).task
    if name not in TASKS:
        raise ValueError(f"{environment}: unknown task; allowed are {', '.join(TASKS)}")
    task = TASKS[name]
    model = mujoco_model.load(task)
    data = mujoco.MjData(model)
    view, floor = robots.view_of(name), robots.floor_of(model)
    shown = robots.window_of(model, view)

    def draw(state: Any, observation: np.ndarray) -> Image.Image:
        _load(model, data, state.inner)
        parts = robots.solids(model, data.geom_xpos.copy(), data.geom_xmat.reshape(-1, 3, 3))
        focus = robots.centred(data.xpos[1], shown, floor)
        return bodies.draw(parts, focus, shown.height, view, floor)

    return draw, 1.0 / (float(model.opt.timestep) * task.frame_skip)


def _load(model: mujoco.MjModel, data: mujoco.MjData, inner: dict[str, Any]) -> None:
    if "qpos" in inner:
        data.qpos[:] = np.asarray(inner["qpos"])[0]
    else:
        physics = as_doubles(np.asarray(inner["physics"]))[0]
        mujoco.mj_setState(model, data, physics, mujoco_host._STATE)
    mujoco.mj_forward(model, data)
