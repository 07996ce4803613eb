"""An environment's reset and step, compiled once in a process."""

from __future__ import annotations

from typing import Any

import jax

from sparse_rl.envs.vector_env import VectorEnv
from sparse_rl.kept import kept


@kept(8)
def programs(environment: VectorEnv) -> tuple[Any, Any]:
    """Its reset and its step, compiled once however often it is played in."""
    return jax.jit(environment.reset), jax.jit(environment.step)
