"""A package of the reader's own with an environment suite in it, where Python finds it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sparse_rl import registry

PACKAGE, ENVIRONMENT = "outside_walks", "outside_walks/line"
CODE = """
import jax.numpy as jnp
import numpy as np

from sparse_rl import registry
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.spaces import Continuous, EnvSpec


@registry.SUITES.register("outside_walks")
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
def written(folder: Path) -> Iterator[str]:
    """The package's name; nothing of it is left behind."""
    (folder / f"{PACKAGE}.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield PACKAGE
    registry._loaded.discard(PACKAGE)
    registry.SUITES._entries.pop(PACKAGE, None)
    sys.modules.pop(PACKAGE, None)
