"""Train, prune and quantise reinforcement-learning policies, all seeds and levels at once.

import sparse_rl

config = sparse_rl.load_config("sac_pendulum", seeds=3)
run = sparse_rl.train(config)
run.summary()
action = run.actor("0.98-int8", seed=0)(observation)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparse_rl.artifact.runtime import load_actor
    from sparse_rl.config import Config, load_config
    from sparse_rl.run import Run
    from sparse_rl.training import train

__all__ = ["Config", "Run", "load_actor", "load_config", "train"]


def __getattr__(name: str) -> Any:
    # Imported when first asked for: an artifact is loaded and run without importing JAX.
    if name in ("Config", "load_config"):
        from sparse_rl import config

        return getattr(config, name)
    if name == "load_actor":
        from sparse_rl.artifact.runtime import load_actor

        return load_actor
    if name == "Run":
        from sparse_rl.run import Run

        return Run
    if name == "train":
        from sparse_rl.training import train

        return train
    raise AttributeError(f"module 'sparse_rl' has no attribute {name!r}")
