"""Train, prune and quantize reinforcement-learning policies, all seeds and levels at once.

import sparse_rl

config = sparse_rl.load_config("sac_pendulum", seeds=3)
run = sparse_rl.train(config)
run.summary()
action = run.actor("0.98-int8", seed=0)(observation)
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sparse_rl import extras

if TYPE_CHECKING:
    from sparse_rl import envs
    from sparse_rl.artifact.runtime import load_actor
    from sparse_rl.config.experiment import Config
    from sparse_rl.config.reading import load_config
    from sparse_rl.launch import train
    from sparse_rl.report.page import write_report
    from sparse_rl.runs.run import Run
    from sparse_rl.study.progress.evaluation import Evaluation

__version__ = "0.1.0"
__all__ = [
    "Config",
    "Evaluation",
    "Run",
    "envs",
    "load_actor",
    "load_config",
    "train",
    "write_report",
]


_HOMES = {
    "Config": "sparse_rl.config.experiment",
    "Evaluation": "sparse_rl.study.progress.evaluation",
    "Run": "sparse_rl.runs.run",
    "load_actor": "sparse_rl.artifact.runtime",
    "load_config": "sparse_rl.config.reading",
    "train": "sparse_rl.launch",
    "write_report": "sparse_rl.report.page",
}
_ROOMS = ("envs",)
"""Rooms that the documentation names without importing them: sparse_rl.envs.make(...)."""


class _Package(ModuleType):
    """This package: importing the command's module `train` hides no function of its name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _HOMES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    # What a notebook completes: nothing of it is here before it is asked for.
    return sorted([*__all__, "__version__", "__doc__", "__file__", "__path__"])


def __getattr__(name: str) -> Any:
    # Imported when first asked for: an artifact is loaded and run without importing JAX.
    if name not in _HOMES and name not in _ROOMS:
        raise AttributeError(f"module 'sparse_rl' has no attribute {name!r}")
    try:
        if name in _ROOMS:
            return importlib.import_module(f"sparse_rl.{name}")
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        line = extras.missing(error)
        if line is None:
            raise
        raise ModuleNotFoundError(f"sparse_rl.{name}: {line}", name=error.name) from None
