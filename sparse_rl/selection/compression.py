"""One compression from its originals to the file that is delivered; `compress` is its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray

from sparse_rl import atomic_file
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import CompilationError, find_compiler
from sparse_rl.artifact.cost import latency
from sparse_rl.artifact.cost.latency import TimingError
from sparse_rl.artifact.packed import PackedActor, Provenance, to_bytes
from sparse_rl.artifact.runtime import Actor
from sparse_rl.compression.policies import Policies
from sparse_rl.compression.steps import Chain, family_of
from sparse_rl.envs import VectorEnv
from sparse_rl.playing.play import Act, random_policy
from sparse_rl.selection import judgement, table
from sparse_rl.selection.candidates import made
from sparse_rl.selection.disturbances import Disturbance
from sparse_rl.selection.making import Folder, nonzero_weights
from sparse_rl.selection.originals import Originals
from sparse_rl.selection.table import ORIGINAL, Size

Say = Callable[[str], None]

STARTS, FRESH = 1_000, 2_000
"""Seeds of the starts by which candidates are judged, and of those that the chosen one meets."""
_TIMED = 1_000
TABLE, RETURNS, CONFIRMED = "candidates.csv", "returns.csv", "confirmed.csv"


class Judged(NamedTuple):
    """Everything that was found.

    Attributes:
        returns: of every candidate, the original among them, in the same episodes.
        random: mean return of acting at random.
        chosen: the smallest that is not worse; None where there is none.
        confirmed: it beside the original with other starts: in the world as it is, then in the
            disturbed ones; see `table.beside`. None where none was chosen.
        fresh: its returns there, in the world as it is.
    """

    table: pd.DataFrame
    returns: Mapping[str, Float[np.ndarray, "policies episodes"]]
    random: float
    margin: float
    chosen: str | None
    confirmed: pd.DataFrame | None
    fresh: Float[np.ndarray, "policies episodes"] | None


@dataclass(frozen=True)
class Compression:
    """What is compressed, how, and where it is kept."""

    originals: Originals
    chains: Mapping[str, Chain]
    folder: Folder
    episodes: int
    margin: float | None
    say: Say
    told: Callable[[str, float], None]
    disturbances: Sequence[Disturbance] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.originals.names

    def open(self, settings: Mapping[str, object]) -> None:
        """Makes the folder, or goes on where it was left. Raises ValueError, OSError."""
        spec = self.originals.environment.spec
        self.folder.open(
            {
                "sparse_rl": version("sparse_rl"),
                "environment": spec.name,
                "originals": self.originals.digest,
                "candidates": list(self.chains),
                **settings,
            }
        )

    def make(self) -> dict[str, NDArray]:
        """Makes all candidates that are not there yet; returns the originals' observations."""
        environment = self.originals.environment
        acts = [acting(PackedActor(graph)) for graph in self.originals.graphs]
        met = judgement.meet(acts, environment, min(10, self.episodes), 0)
        observations = tuple(one.observations for one in met)
        seen = dict(zip(self.names, observations, strict=True))
        originals = self.originals
        policies = Policies(
            originals.graphs, originals.graphs, observations, originals.seeds, environment.spec.name
        )
        self._keep(ORIGINAL, policies)
        missing = {
            name: chain
            for name, chain in self.chains.items()
            if not self.folder.has(name, self.names)
        }
        if len(missing) < len(self.chains):
            self.say(f"{len(self.chains) - len(missing)} candidates exist already")
        for name, result in made(missing, policies, self.told):
            self._keep(name, result)
        return seen

    def _keep(self, name: str, policies: Policies) -> None:
        about = Provenance(
            environment=self.originals.environment.spec.name,
            variant=name,
            config_digest=self.originals.digest,
        )
        actors = [
            PackedActor(compact(graph), replace(about, seed=seed))
            for graph, seed in zip(policies.graphs, policies.seeds, strict=True)
        ]
        self.folder.keep(name, self.names, actors)

    def judge(self, seen: Mapping[str, NDArray]) -> Judged:
        """Plays all candidates from the same starts, and the smallest that holds from new ones.

        Raises ValueError where an episode of an original is not finite: nothing compares with it.
        """
        environment = self.originals.environment
        packs = {name: self.folder.actors(name, self.names) for name in (ORIGINAL, *self.chains)}
        acts = [acting(pack) for packed in packs.values() for pack in packed]
        count, episodes = len(self.names), self.episodes
        course = f"{len(packs)} x {count} policies play {episodes} episodes each"
        told = partial(self.told, course)
        played = judgement.judge(acts, environment, episodes, STARTS, told)
        returns = dict(zip(packs, played.reshape(len(packs), count, episodes), strict=True))
        self._check(returns[ORIGINAL])
        random = float(np.mean(judgement.at_random(environment, episodes, STARTS)))
        sizes = self.sizes(packs, seen)
        allowed = table.margin_of(returns[ORIGINAL], random) if self.margin is None else self.margin
        families = {name: family_of(chain) for name, chain in self.chains.items()}
        found = table.table_of(returns, sizes, allowed, families)
        chosen = table.smallest(found)
        confirmed = fresh = None
        if chosen is not None:
            worlds = {table.UNDISTURBED: environment}
            worlds |= {one.name: one.world([*seen.values()]) for one in self.disturbances}
            confirmed, fresh = self.confirm(packs[ORIGINAL], packs[chosen], worlds)
        return Judged(found, returns, random, allowed, chosen, confirmed, fresh)

    def _check(self, returns: Float[np.ndarray, "policies episodes"]) -> None:
        for name, own in zip(self.names, returns, strict=True):
            if failed := int((~np.isfinite(own)).sum()):
                raise ValueError(
                    f"{name}: an original with a number that is not finite in {failed} of "
                    f"{len(own)} episodes; allowed: none, since candidates are compared with it"
                )

    def confirm(
        self,
        originals: Sequence[PackedActor],
        chosen: Sequence[PackedActor],
        worlds: Mapping[str, VectorEnv],
    ) -> tuple[pd.DataFrame, Float[np.ndarray, "policies episodes"]]:
        """The chosen beside the originals in each world, from starts that chose nothing.

        And its returns in the first of them. What counts as no loss is of each world, and so is
        acting at random in it: where the originals themselves have lost nearly everything, little
        is left to lose.
        """
        acts = [acting(pack) for pack in (*originals, *chosen)]
        rows, returns = [], []
        for name, world in worlds.items():
            course = f"the original and the chosen one play from fresh starts, {name}"
            told = partial(self.told, course)
            # What a margin follows from where none is given.
            against = [random_policy(world.spec, FRESH)] if self.margin is None else []
            policies = [*acts, *against]
            played = judgement.judge(policies, world, self.episodes, FRESH, told)
            before, own, random = np.split(played, [len(originals), len(acts)])
            margin = self.margin
            if margin is None:
                margin = table.margin_of(before, float(random.mean()))
            rows.append({"world": name, **table.beside(own, before, margin), "margin": margin})
            returns.append(own)
        return pd.DataFrame(rows), returns[0]

    def sizes(
        self, candidates: Mapping[str, Sequence[PackedActor]], seen: Mapping[str, NDArray]
    ) -> dict[str, Size]:
        """Of each candidate, medians over policies; the time is that of the median file's policy.

        Without a time where there is no compiler or, which is said once, where it or what it made
        fails.
        """
        found, failed = {}, False
        for name, packs in candidates.items():
            sizes = [len(to_bytes(pack)) for pack in packs]
            median = int(np.argsort(sizes, kind="stable")[len(sizes) // 2])
            time_in_c = float("nan")
            if find_compiler():
                try:
                    time_in_c = _time_in_c(packs[median], seen[self.names[median]])
                except (CompilationError, TimingError) as error:
                    if not failed:
                        self.say(f"C is not run: {error}")
                    failed = True
            weights = float(np.median([nonzero_weights(pack) for pack in packs]))
            found[name] = Size(weights, float(np.median(sizes)), time_in_c)
        return found

    def write(self, judged: Judged) -> None:
        """The table, every episode's return, and the chosen one in each world, as CSV."""
        rows = [
            (candidate, policy, episode, value)
            for candidate, own in judged.returns.items()
            for policy, values in zip(self.names, own, strict=True)
            for episode, value in enumerate(values)
        ]
        every = pd.DataFrame(rows, columns=["candidate", "policy", "episode", "return"])
        for name, frame in (
            (TABLE, judged.table),
            (RETURNS, every),
            (CONFIRMED, judged.confirmed),
        ):
            if frame is None:  # of a judgement before this one
                (self.folder.path / name).unlink(missing_ok=True)
            else:
                atomic_file.write_text(self.folder.path / name, frame.to_csv(index=False))

    def best_policy(self, judged: Judged, candidate: str) -> int:
        """The policy with the highest mean return of a candidate."""
        return int(np.argmax(judged.returns[candidate].mean(axis=1)))


def acting(pack: PackedActor) -> Act:
    """A policy as it is judged: where a number is not finite its own episode fails, no other."""
    return Actor(pack, "numpy").where_finite


def _time_in_c(pack: PackedActor, observations: NDArray) -> float:
    """Median microseconds of one action. Raises CompilationError, TimingError."""
    return latency.of_source(generate(pack.graph), observations[:_TIMED]).median


def folder_for(out: Path | None, source: Path) -> Path:
    """Where a compression is kept unless it is said: beside the run's own folders, or the file."""
    if out is not None:
        return out
    return source / "compressed" if source.is_dir() else source.with_name(f"{source.stem}_small")
