"""How a study is started, from the command line and from Python alike: the machine first."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from typing import TYPE_CHECKING

from sparse_rl.config.error import show
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import continued, load_config

if TYPE_CHECKING:
    from sparse_rl.runs.run import Run
    from sparse_rl.study.progress.evaluation import Evaluation
    from sparse_rl.study.progress.events import Progress


def train(
    config: Config | str | PathLike[str] | None = None,
    progress: Progress | bool = True,
    *,
    on_evaluation: Callable[[Evaluation], object] | None = None,
    resume: str | PathLike[str] | None = None,
) -> Run:
    """Trains what `config` describes, or resumes a run, and returns the finished run.

        run = sparse_rl.train("sac_pendulum")
        run = sparse_rl.train(resume="runs/x")

    The configuration's devices, processes and place of compiled programs are set up first; where
    JAX has been used before in this process, its number of devices stays as it was.

    Args:
        config: a configuration, or the name of an experiment or a YAML file, as for `load_config`.
        progress: what is told of every event; True: a live view in terminals and notebooks and
            plain lines elsewhere; False: nothing but that Ctrl-C was noticed.
        on_evaluation: called after every evaluation with its record. What it raises ends the
            training, with a checkpoint left in the run directory.
        resume: the directory of a run that was stopped, which resumes as what it was.

    Raises:
        TypeError: one line, where `config` is none of these, or both or neither are given, or
            nobody can be told by what is given as `progress` or `on_evaluation`.
        ConfigError: one line, where the study cannot start or the disk refuses.
        EnvironmentFailure: a ValueError, one line, where the environment raises; its own traceback
            is a note of it.
        Interrupted: after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint is written; after a second
            one at once, without it.
    """
    chosen = _chosen(config, resume)
    _check_listeners(progress, on_evaluation)
    # Imported here, because JAX starts with the devices that were asked for.
    from sparse_rl.runtime import compilation_cache, devices

    compilation_cache.use(chosen.compilation_cache)
    devices.configure(chosen.devices, chosen.distributed)
    from sparse_rl.envs import failure
    from sparse_rl.study import training
    from sparse_rl.study.progress.events import Quiet, Told, both
    from sparse_rl.study.progress.live import for_console
    from sparse_rl.watched_page import WatchedPage

    given = isinstance(progress, bool)
    shown: Progress = (for_console() if progress else Quiet()) if given else progress  # type: ignore[assignment]
    if line := devices.fewer_than_asked(chosen.devices):
        shown.say(line)
    heard = shown if on_evaluation is None else both(shown, Told(on_evaluation))
    if chosen.watch:
        heard = both(WatchedPage(shown.say), heard)
    try:
        with failure.told(), devices.exact_products():
            return training.train(chosen, heard)
    finally:
        if given:
            shown.stop()


def _check_listeners(progress: object, on_evaluation: object) -> None:
    """Before minutes of training. Raises TypeError, one line."""
    if not isinstance(progress, bool) and not callable(getattr(progress, "measured", None)):
        raise TypeError(
            f"progress: found {show(progress)}; allowed: True, False, or an object with the "
            f"methods of sparse_rl.study.progress.events.Progress"
        )
    if on_evaluation is not None and not callable(on_evaluation):
        raise TypeError(f"on_evaluation: found {show(on_evaluation)}; allowed: a function")


def _chosen(
    config: Config | str | PathLike[str] | None, resume: str | PathLike[str] | None
) -> Config:
    """The configuration that is meant. Raises TypeError or `ConfigError`, one line."""
    if resume is not None:
        if config is not None:
            raise TypeError("config: found beside resume; allowed: one of them")
        return continued(fspath(resume))
    if isinstance(config, str | PathLike):
        return load_config(fspath(config))
    if not isinstance(config, Config):
        found = "none" if config is None else f"{type(config).__name__}, {show(config)}"
        raise TypeError(
            f"config: found {found}; allowed: a Config, the name of an experiment or a YAML file, "
            f"or resume=RUN"
        )
    return config
