"""Exported actors as policies of this project's environments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparse_rl.architecture import check_fits
from sparse_rl.artifact.runtime import Actor, load_actor
from sparse_rl.render.episode import Policy, random_policy
from sparse_rl.spaces import Continuous, EnvSpec

RANDOM = "random"


@dataclass(frozen=True)
class Player:
    """Who plays: a caption, a policy, and the environment it was trained in ("" if unknown)."""

    caption: str
    environment: str
    actor: Actor | None

    def policy(self, spec: EnvSpec, seed: int) -> Policy:
        """The player's policy in an environment.

        Raises:
            ValueError: the actor reads or does something else than the environment gives or takes.
        """
        if self.actor is None:
            return random_policy(spec, seed)
        check_fits(self.actor.graph, spec)
        actor, space = self.actor, spec.action
        if not isinstance(space, Continuous):
            return lambda observation: np.asarray(actor(observation), np.int32)
        low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
        # Actors act in the environment's own units, environments here take [-1, 1].
        return lambda observation: 2 * (actor(observation) - low) / (high - low) - 1


def player(name: str) -> Player:
    """The player in an exported file, or one that acts at random.

    Raises:
        ValueError: there is no such file, or it holds no actor.
    """
    if name == RANDOM:
        return Player(RANDOM, "", None)
    if not Path(name).is_file():
        raise ValueError(f'{name}: no such file; needed is an exported actor or the word "random"')
    actor = load_actor(name)
    about = actor.provenance
    return Player(about.arm or Path(name).stem, about.environment, actor)
