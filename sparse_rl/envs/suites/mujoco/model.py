"""Loads Gymnasium's MuJoCo models, and what a spec says about them."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np

from sparse_rl.envs.suites.mujoco.tasks import Task
from sparse_rl.envs.vector_env import Continuous, EnvSpec


class Altered(NamedTuple):
    """How a model differs from Gymnasium's.

    Attributes:
        mass: factor of all masses, and so of all inertia.
        friction: factor of all surfaces' sliding friction.
    """

    mass: float = 1.0
    friction: float = 1.0


AS_IT_IS = Altered()


def load(task: Task, altered: Altered = AS_IT_IS) -> mujoco.MjModel:
    """Compiles the task's XML file from the installed Gymnasium, without importing Gymnasium."""
    found = importlib.util.find_spec("gymnasium")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'gymnasium'", name="gymnasium")
    path = Path(found.origin).parent / "envs" / "mujoco" / "assets" / task.xml
    model = mujoco.MjModel.from_xml_path(str(path))
    if altered != AS_IT_IS:
        model.body_mass *= altered.mass
        model.body_inertia *= altered.mass
        model.geom_friction[:, 0] *= altered.friction
        mujoco.mj_setConst(model, mujoco.MjData(model))  # what is derived from them
    return model


def spec(full_name: str, task: Task, model: mujoco.MjModel, time_limit: int) -> EnvSpec:
    """Shapes and limits of a task."""
    size = model.nq - task.unobserved + model.nv
    if task.has_forces:  # 10 numbers of inertia, 6 of velocity and 6 of force per body
        size += 22 * model.nbody + model.nv
    bounds = model.actuator_ctrlrange
    return EnvSpec(
        name=full_name,
        observation_shape=(int(size),),
        observation_dtype=np.dtype(np.float32),
        action=Continuous(
            tuple(float(x) for x in bounds[:, 0]), tuple(float(x) for x in bounds[:, 1])
        ),
        time_limit=time_limit,
    )


__all__ = ["AS_IT_IS", "Altered", "load", "spec"]
