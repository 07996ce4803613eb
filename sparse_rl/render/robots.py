"""The solids of a MuJoCo model: its geoms, placed."""

from __future__ import annotations

import mujoco
import numpy as np
from jaxtyping import Float

from sparse_rl.render.bodies import Solid, View, Window, colours, window

_ROUND = (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_ELLIPSOID)
_FROM_ABOVE = ("reacher", "pusher", "swimmer")


def view_of(task: str) -> View:
    """From the side for those that walk, from above for those that lie on a plane."""
    return View(0.0, 62.0) if task.lower().startswith(_FROM_ABOVE) else View()


def solids(
    model: mujoco.MjModel,
    position: Float[np.ndarray, "geoms 3"],
    rotation: Float[np.ndarray, "geoms 3 3"],
) -> list[Solid]:
    """Capsules and spheres for all geoms but planes.

    Cylinders and boxes are drawn as capsules along their longest side, ellipsoids as spheres: near
    enough for a robot to be recognised.
    """
    shades = colours(max(2, model.nbody - 1))
    found = []
    for geom in range(model.ngeom):
        kind, size = model.geom_type[geom], model.geom_size[geom]
        if kind == mujoco.mjtGeom.mjGEOM_PLANE:
            continue
        half, radius = _half_axis(kind, size)
        reach = rotation[geom] @ half
        body = max(0, int(model.geom_bodyid[geom]) - 1)
        found.append(Solid(position[geom] - reach, position[geom] + reach, radius, shades[body]))
    return found


def floor_of(model: mujoco.MjModel) -> float | None:
    """Height of the ground, None where the model has none."""
    planes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
    return float(model.geom_pos[planes[0], 2]) if len(planes) else None


def window_of(model: mujoco.MjModel, view: View) -> Window:
    """The camera's window for a robot, from its first pose."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return window(solids(model, data.geom_xpos, data.geom_xmat.reshape(-1, 3, 3)), view)


def centred(
    torso: Float[np.ndarray, " xyz"], shown: Window, floor: float | None
) -> Float[np.ndarray, " xyz"]:
    """Where the camera looks: it follows the torso along the ground, but not up and down."""
    height = torso[2] if floor is None else floor + shown.middle
    return np.array([torso[0], torso[1], height])


def _half_axis(kind: int, size: Float[np.ndarray, " xyz"]) -> tuple[np.ndarray, float]:
    """From the centre to an end of the axis, in the geom's own frame, and the radius."""
    if kind in _ROUND:
        return np.zeros(3), float(size.max() if kind == _ROUND[0] else np.mean(size))
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.array([0.0, 0.0, size[1]]), float(size[0])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return np.array([0.0, 0.0, max(0.0, size[1] - size[0])]), float(size[0])
    longest = int(np.argmax(size))
    radius = float(np.mean(np.delete(size, longest)))
    half = np.zeros(3)
    half[longest] = max(0.0, size[longest] - radius)
    return half, radius
