"""A package of the reader's own with an environment suite in it, where Python finds it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sparse_rl import registry

CODE = """
import jax.numpy as jnp
import numpy as np

from sparse_rl import registry
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.spaces import Continuous, EnvSpec


@registry.SUITES.register(__name__)
class Walks:
    @staticmethod
    def names(suite):
        return ["line"]

    @staticmethod
    def make(full_name, identifier, options, evaluation):
        options.finish()

        def reset_one(key):
            return jnp.zeros(3), jnp.zeros(3)

        def step_one(key, place, action):
            place = place + action
            return Transition(place, place, jnp.float32(1), jnp.bool_(False))

        spec = EnvSpec(full_name, (3,), np.dtype(np.float32), Continuous((-1.0,), (1.0,)), 5)
        return JaxEnv(spec, reset_one, step_one)
"""
RETURN = 5.0
"""Of every episode: a reward of 1 in each of five steps."""


@contextmanager
def written(folder: Path, package: str) -> Iterator[str]:
    """The environment's name; the package is known as long as this lasts.

    Environments are made once in a process, so each test gives its package a name of its own.
    """
    (folder / f"{package}.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield f"{package}/line"
    registry._loaded.discard(package)
    registry.SUITES._entries.pop(package, None)
    sys.modules.pop(package, None)
