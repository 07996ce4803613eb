"""How one environment of Gymnasium is made of its name, and what it is given.

    gymnasium/LunarLander-v3?continuous=true&gravity=-5&time_limit=300
    gymnasium/my_package:Rooms-v0?flatten=true&frame_stack=4

``time_limit``, ``flatten`` and ``frame_stack`` are ours; every other option is an argument of the
environment: true, false and none in any capitals, numbers, or words.
"""

import importlib
import json
import re
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import env_checker
from gymnasium.wrappers import FlattenObservation

from sparse_rl.envs.options import Options


@dataclass(frozen=True)
class Recipe:
    """What makes simulators that are all alike.

    Attributes:
        identifier: an id that is registered, or package:Id.
        arguments: of the environment.
        flatten: observations of several parts (Dict, Tuple) become one vector.
        time_limit: as the name says; 0 where it says nothing.
        frame_stack: how many successive observations a policy sees at once.
    """

    identifier: str
    arguments: Mapping[str, Any]
    flatten: bool
    time_limit: int
    frame_stack: int

    def simulator(self, render_mode: str | None = None) -> gymnasium.Env:
        """One environment, of a package that is imported first where it is package:Id.

        Raises whatever the package or the environment raises.
        """
        package, _, own = self.identifier.rpartition(":")
        if package:
            importlib.import_module(package)
        arguments = dict(self.arguments)
        if render_mode is not None:  # environments that draw nothing need not know the word
            arguments["render_mode"] = render_mode
        # Our own time limit takes the place of Gymnasium's; the checker only slows the steps down.
        made = gymnasium.make(own, max_episode_steps=-1, disable_env_checker=True, **arguments)
        return FlattenObservation(made) if self.flatten else made


def recipe_of(identifier: str, options: Options) -> Recipe:
    """Takes all options. Raises ValueError, one line, where one of ours is not allowed."""
    flatten = options.choice("flatten", "false", ("true", "false")) == "true"
    time_limit = options.positive("time_limit", 0) if options.has("time_limit") else 0
    frame_stack = options.positive("frame_stack", 1, most=64)
    arguments = {key: _value(text) for key, text in options.rest().items()}
    return Recipe(identifier, arguments, flatten, time_limit, frame_stack)


_WORDS = {"true": True, "false": False, "none": None, "null": None}


def _value(text: str) -> Any:
    """True, false and none as Python or JSON writes them: the word False would count as true."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def complaints_of(recipe: Recipe) -> list[str]:
    """What Gymnasium's own checker warns of, or refuses, a line each."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            with closing(recipe.simulator()) as simulator:
                env_checker.check_env(simulator.unwrapped, skip_render_check=True)
        except Exception as error:  # it asserts, and calls what may raise anything
            warned_of = [str(error) or type(error).__name__]
        else:
            warned_of = []
    found = [str(warning.message) for warning in warned] + warned_of
    plain = [" ".join(re.sub(r"\x1b\[\d+m|WARN: ", "", text).split()) for text in found]
    return [f"Gymnasium's checker: {text}" for text in dict.fromkeys(plain)]


def given(action: np.ndarray, space: spaces.Space) -> Any:
    """Our action as Gymnasium wants it: where it takes integers, the nearest ones.

    Where it takes doubles, the nearest float32 to a bound may lie beyond it.
    """
    if isinstance(space, spaces.Discrete):
        return int(space.start) + int(action)
    if np.issubdtype(space.dtype, np.integer):  # astype alone would hardly ever give the highest
        action = np.rint(action)
    fitting = action.astype(space.dtype).reshape(space.shape)
    if isinstance(space, spaces.Box) and space.dtype == np.float64:
        fitting = np.clip(fitting, space.low, space.high)
    return fitting
