"""A study that goes on with the dense members of another run: its values, and what must agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_rl.config.error import ConfigError, show
from sparse_rl.registry import METHODS

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config

FILE = "config.yaml"
"""Of a run directory: what it was asked for."""
KEPT = "dense"
"""The folder in it with the members that `checkpoint.keep_dense` has left."""


def is_run(name: str) -> bool:
    """Whether this is the directory of a run."""
    try:
        return bool(name) and (Path(name) / FILE).is_file()
    except (OSError, ValueError):  # a name that no path can have
        return False


def values_of(run: str, values: Mapping[str, Any], source: Config) -> dict[str, Any]:
    """The values of a run, of which `source` is made, for a study that goes on where it ended.

    Raises `ConfigError`, one line, where that run has kept no members.
    """
    if not (Path(run) / KEPT).is_dir():
        raise ConfigError(
            f"{run}: has kept no dense members; allowed: a run that was trained with "
            f"--checkpoint.keep_dense, or {Path(run) / FILE} to train it anew"
        )
    start = {"run": run, "step": source.training.steps, "experiment": source.digest()}
    checkpoint = {**values.get("checkpoint", {}), "keep_dense": False}
    return {
        **{key: value for key, value in values.items() if key not in ("distributed", "resume")},
        "start": start,
        "checkpoint": checkpoint,
        "out": "",
    }


def without_others_options(
    values: Mapping[str, Any], before: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The values without options that came from the run, of methods that are not used any more."""
    sparsity, inherited = values.get("sparsity"), before.get("sparsity")
    if not isinstance(sparsity, Mapping) or not isinstance(inherited, Mapping):
        return values
    methods = sparsity.get("methods", ())
    used = methods if isinstance(methods, list | tuple) else (methods,)
    kept = {
        key: value
        for key, value in sparsity.items()
        if key in used or key not in METHODS or value != inherited.get(key)
    }
    return {**values, "sparsity": kept}


def require_the_same(config: Config, source: Config) -> None:
    """Raises `ConfigError`, one line, where `config` has what the members of `source` have not."""
    if config.environment != source.environment:
        _refuse(config, "environment", config.environment, source.environment)
    if config.first_seed != source.first_seed:
        _refuse(config, "first_seed", config.first_seed, source.first_seed)
    if config.seeds > source.seeds:
        _refuse(config, "seeds", config.seeds, f"at most {source.seeds}")


def _refuse(config: Config, key: str, found: object, allowed: object) -> None:
    raise ConfigError(
        f"{key}: found {show(found)}; allowed to continue {config.start.run}: {allowed}"
    )
