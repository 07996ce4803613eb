"""Gymnasium's MuJoCo tasks, version 4, in two implementations.

Options: ``impl=host|mjx|auto`` (auto, the default: host where JAX runs on the CPU, mjx on an
accelerator), ``time_limit=N`` (default 1000), and ``mass=F`` and ``friction=F``, by which all
masses with their inertia, and the sliding friction of all surfaces, are multiplied (default 1).
"""

import jax

from sparse_rl.envs.options import Options
from sparse_rl.envs.suites.mujoco import host as mujoco_host
from sparse_rl.envs.suites.mujoco import mjx as mujoco_mjx
from sparse_rl.envs.suites.mujoco.model import Altered
from sparse_rl.envs.suites.mujoco.tasks import TASKS, TIME_LIMIT
from sparse_rl.envs.vector_env import VectorEnv


def names(suite: str) -> list[str]:
    """All environments of this suite."""
    return list(TASKS)


def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> VectorEnv:
    """Builds one environment; it is the same for training and for evaluation."""
    implementation = options.choice("impl", "auto", ("auto", "host", "mjx"))
    time_limit = options.positive("time_limit", TIME_LIMIT)
    physics = Altered(options.factor("mass"), options.factor("friction"))
    options.finish()
    if implementation == "auto":
        implementation = "host" if jax.default_backend() == "cpu" else "mjx"
    module = mujoco_host if implementation == "host" else mujoco_mjx
    return module.make(full_name, TASKS[identifier], time_limit, physics)
