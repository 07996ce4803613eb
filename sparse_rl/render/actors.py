"""Exported actors as policies of this project's environments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparse_rl.architecture import check_fits
from sparse_rl.artifact.runtime import Actor, load_actor
from sparse_rl.playing.play import Act, random_policy
from sparse_rl.spaces import EnvSpec

RANDOM = "random"


@dataclass(frozen=True)
class Player:
    """Who plays: a caption, a policy, and the environment it was trained in ("" if unknown)."""

    caption: str
    environment: str
    actor: Actor | None

    def act(self, spec: EnvSpec, seed: int) -> Act:
        """The player's policy in an environment; the seed is that of random actions.

        Raises:
            ValueError: the actor reads or does something else than the environment gives or takes.
        """
        if self.actor is None:
            return random_policy(spec, seed)
        check_fits(self.actor.graph, spec)
        return self.actor


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
    return Player(about.variant or Path(name).stem, about.environment, actor)
