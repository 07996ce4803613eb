"""How a study is started, from the command line and from Python alike: the machine first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparse_rl.config.error import show
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import load_config

if TYPE_CHECKING:
    from sparse_rl.runs.run import Run
    from sparse_rl.study.progress import Progress


def train(config: Config | str, progress: Progress | bool = True) -> Run:
    """Trains what `config` describes, or continues with it, and returns the finished run.

    The configuration's devices, processes and place of compiled programs are set up first; where
    JAX has been used before in this process, its number of devices stays as it was.

    Args:
        config: a configuration, or the name of an experiment, as for `load_config`.
        progress: what is told of every event; True: a live line in terminals and notebooks and
            plain lines elsewhere; False: nothing.

    Raises:
        TypeError: one line, where `config` is neither.
        ConfigError: one line, where the study cannot start or the disk refuses.
        Interrupted: after Ctrl-C or SIGTERM, once a checkpoint is written; after a second one at
            once, without it.
    """
    if isinstance(config, str):
        config = load_config(config)
    if not isinstance(config, Config):
        found = f"{type(config).__name__}, {show(config)}"
        raise TypeError(f"config: found {found}; allowed: a Config or the name of an experiment")
    # Imported here, because JAX starts with the devices that were asked for.
    from sparse_rl.runtime import compilation_cache, devices

    compilation_cache.use(config.compilation_cache)
    devices.configure(config.devices, config.distributed)
    from sparse_rl.study import training
    from sparse_rl.study.progress import for_console

    if isinstance(progress, bool):
        if not progress:
            return training.train(config)
        shown = for_console()
        try:
            return training.train(config, shown)
        finally:
            shown.stop()
    return training.train(config, progress)
