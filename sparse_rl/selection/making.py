"""Making candidates: from passes to packed actors in a folder, which a second start finds again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparse_rl import atomic_file
from sparse_rl.artifact import packed
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import PackedActor

ACTORS, REQUEST = "actors", "compression.json"


class Folder:
    """Where a compression keeps what it has made: actors by candidate and policy."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, request: dict[str, Any]) -> None:
        """Makes the folder, or goes on in it.

        Raises ValueError, one line, where it holds something else; OSError.
        """
        file = self.path / REQUEST
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path}: is a file; needed is a folder")
        if file.is_file():
            if (different := _different(file, request)) is not None:
                raise ValueError(
                    f"{self.path}: holds another compression ({different} differs); "
                    f"allowed: another --out, or to delete it"
                )
            return
        if self.path.is_dir() and any(self.path.iterdir()):
            raise ValueError(f"{self.path}: is not empty; allowed: a new folder as --out")
        atomic_file.check_folder(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        atomic_file.write_text(file, json.dumps(request, indent=2) + "\n")

    def actor_file(self, candidate: str, policy: str) -> Path:
        return self.path / ACTORS / candidate / f"{policy}.srl"

    def has(self, candidate: str, policies: Sequence[str]) -> bool:
        """Whether all actors of a candidate are there."""
        return all(self.actor_file(candidate, policy).is_file() for policy in policies)

    def keep(self, candidate: str, policies: Sequence[str], actors: Sequence[PackedActor]) -> None:
        """Writes the actors of a candidate, all of them or none."""
        target = self.path / ACTORS / candidate
        target.parent.mkdir(exist_ok=True)
        with atomic_file.replacing_contents(target) as part:
            for policy, actor in zip(policies, actors, strict=True):
                packed.save(part / f"{policy}.srl", actor)

    def actors(self, candidate: str, policies: Sequence[str]) -> list[PackedActor]:
        """The actors of a candidate. Raises ArtifactError where a file is damaged."""
        return [packed.load(self.actor_file(candidate, policy)) for policy in policies]


def _different(file: Path, request: dict[str, Any]) -> str | None:
    """The first thing in which a request is not the one of a file."""
    try:
        known = json.loads(file.read_text())
    except ValueError:
        raise ValueError(f"{file}: damaged: not JSON") from None
    if not isinstance(known, dict):
        raise ValueError(f"{file}: damaged: not a mapping")
    wanted = json.loads(json.dumps(request))
    keys = [*wanted, *(key for key in known if key not in wanted)]
    return next((key for key in keys if known.get(key) != wanted.get(key)), None)


def nonzero_weights(actor: PackedActor) -> int:
    """Surviving weights of an actor as delivered."""
    return int(np.sum([layer.weights.nonzero for layer in layers(actor.graph.operations)]))
