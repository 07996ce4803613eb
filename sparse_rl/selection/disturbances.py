"""Rougher worlds by name, in which what was chosen is played beside the original.

noise:0.1    a tenth of each quantity's own standard deviation, on every observation
delay:2      actions take effect two steps later
mass:1.2     any other word is an option of the environment, as in its name
noise:0.1+delay:1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.envs import VectorEnv, make
from sparse_rl.envs.disturbed import DisturbedEnv

JOINED = "+"
_LONGEST_DELAY = 1_000


class Disturbance(NamedTuple):
    """One rougher world.

    Attributes:
        name: as it was written.
        noise: standard deviation, as a share of each quantity's own in the originals' episodes.
        delay: in steps.
        environment: with the options that were added to its name.
    """

    name: str
    noise: float
    delay: int
    environment: VectorEnv

    def world(self, observations: Sequence[NDArray]) -> VectorEnv:
        """The environment, disturbed; `observations` say how much each quantity varies."""
        spec = self.environment.spec
        spread = np.zeros(spec.observation_shape, np.float32)
        if self.noise:
            seen = np.concatenate([one.astype(np.float64) for one in observations])
            own = seen.std(axis=0)
            spread = (own.mean(axis=-1) if spec.frame_stack > 1 else own).astype(np.float32)
        if not self.noise and not self.delay:
            return self.environment
        return DisturbedEnv(self.environment, self.noise * spread, self.delay)


def parse(text: str, environment: VectorEnv) -> Disturbance:
    """The world that `text` names, of this environment. Raises ValueError, one line."""
    noise, delay, options = 0.0, 0, {}
    for word in text.split(JOINED):
        key, colon, value = word.partition(":")
        if not (key and colon and value):
            raise ValueError(
                f"found {text!r}; allowed: noise:SHARE, delay:STEPS or an option of the "
                f"environment, OPTION:VALUE, joined by {JOINED}"
            )
        if key == "noise":
            noise = _number(text, key, value)
        elif key == "delay":
            delay = _steps(text, value)
        else:
            options[key] = value
    if noise and environment.spec.observation_dtype != np.float32:
        raise ValueError(
            f"{text}: noise: found observations of {environment.spec.observation_dtype}; "
            "allowed: of float32"
        )
    return Disturbance(text, noise, delay, _with(environment, options))


def _with(environment: VectorEnv, options: dict[str, str]) -> VectorEnv:
    if not options:
        return environment
    name = environment.spec.name
    mark = "&" if "?" in name else "?"
    added = "&".join(f"{key}={value}" for key, value in options.items())
    changed = make(f"{name}{mark}{added}", evaluation=True)
    if changed.spec.policy_shape != environment.spec.policy_shape:
        raise ValueError(
            f"{added}: changes what is observed, {environment.spec.policy_shape} to "
            f"{changed.spec.policy_shape}; allowed: what leaves it"
        )
    return changed


def _number(text: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text}: {key}: found {value!r}; allowed: a number above 0")
    return number


def _steps(text: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= _LONGEST_DELAY):
        raise ValueError(
            f"{text}: delay: found {value!r}; allowed: a whole number from 1 to {_LONGEST_DELAY}"
        )
    return int(value)
