"""Environments: many worlds behind one batched interface.

    environment = make("gymnax/Pendulum-v1")
    state, observation = environment.reset(jax.random.split(jax.random.key(0), 10))
    state, outcome = environment.step(state, actions)

`make` reads names like ``suite/id?option=value``; docs/environments.md lists the suites.
"""

from sparse_rl.envs.registry import make
from sparse_rl.envs.vector_env import Continuous, Discrete, EnvSpec, Outcome, VectorEnv

__all__ = ["Continuous", "Discrete", "EnvSpec", "Outcome", "VectorEnv", "make"]
