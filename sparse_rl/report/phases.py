"""When a run's phases begin and end, and which sparsity its config asks for at each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


class Phase(NamedTuple):
    """A phase by the name readers know it by, with its first and last environment step."""

    name: str
    begin: int
    end: int


def phases(config: Mapping[str, Any]) -> list[Phase]:
    """Dense, pruning, fine-tuning and, where there are int8 arms, quantisation-aware training.

    Raises:
        ValueError: the config lacks a key; one line that names it.
    """
    steps = int(setting(config, "training.steps"))
    begin = round(steps * float(setting(config, "sparsity.begin")))
    end = round(steps * float(setting(config, "sparsity.end")))
    found = [Phase("dense", 0, begin), Phase("prune", begin, end), Phase("fine-tune", end, steps)]
    if setting(config, "quantization.modes"):
        fraction = float(setting(config, "quantization.fraction"))
        found.append(Phase("int8", steps, steps + round(steps * fraction)))
    return [phase for phase in found if phase.end > phase.begin]


def asked_sparsity(
    config: Mapping[str, Any], level: float, steps: ArrayLike
) -> Float[np.ndarray, " steps"]:
    """Cubic schedule of Zhu and Gupta 2017: s_t = s_f (1 - (1 - (t - t_s)/(t_e - t_s))^3)."""
    total = float(setting(config, "training.steps"))
    begin = total * float(setting(config, "sparsity.begin"))
    end = total * float(setting(config, "sparsity.end"))
    progress = np.clip((np.asarray(steps, float) - begin) / (end - begin), 0, 1)
    return level * (1 - (1 - progress) ** 3)


def setting(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key of the config. Raises a ValueError that names a missing key."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ValueError(f"config.yaml: {key} is missing")
        value = value[part]
    return value
