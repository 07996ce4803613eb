"""The levels of a page's slider: the actors of one environment, from the largest file on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sparse_rl.architecture import check_fits
from sparse_rl.artifact import packed
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.play.worlds import World, world
from sparse_rl.report.films import dense_name, median_seed, shown_variants
from sparse_rl.runs.run import Run, seed_named
from sparse_rl.runs.variant import DENSE
from sparse_rl.summary.final_table import NOT_WORSE, WORSE, final_table
from sparse_rl.summary.table import decimals_of, interval, number

MEDIAN = "median"


@dataclass(frozen=True, eq=False)
class Level:
    """One actor of a page.

    Attributes:
        name: by which the page speaks of it.
        actor: what the packed file holds.
        size: bytes of that file.
        recorded: its return on record, with an interval where one is known, and of what.
        verdict: of its variant against dense, if there is one.
    """

    name: str
    actor: PackedActor
    size: int
    recorded: str = ""
    verdict: str = ""

    @property
    def weights(self) -> int:
        return sum(layer.weights.nonzero for layer in layers(self.actor.graph.operations))


@dataclass(frozen=True, eq=False)
class Study:
    """One environment, its levels from the largest file to the smallest, and their origin."""

    environment: str
    levels: tuple[Level, ...]
    origin: str

    @property
    def world(self) -> World:
        return world(self.environment)

    @property
    def first(self) -> int:
        """The level shown beside the largest at first: the smallest file that is not worse.

        Where none but the largest itself is shown to be, the smallest that is not shown to be
        worse; where all are, the largest.
        """
        places = range(1, len(self.levels))
        kept = [at for at in places if self.levels[at].verdict == NOT_WORSE]
        open_ = [at for at in places if self.levels[at].verdict != WORSE]
        return (kept or open_ or [0])[-1]


def study(environment: str, levels: Sequence[Level], origin: str) -> Study:
    """A study with its levels in order.

    Raises ValueError where the page cannot play the environment, or an actor does not fit it.
    """
    spec = world(environment).spec
    for level in levels:
        try:
            check_fits(level.actor.graph, spec)
        except ValueError as error:
            raise ValueError(f"{level.name}: {error}") from None
    return Study(environment, tuple(sorted(levels, key=lambda level: -level.size)), origin)


def of_files(files: Sequence[Path], environment: str = "") -> list[Study]:
    """A study for each environment of these packed actors, in the order in which they come.

    Raises ValueError, one line that names the file, where it is none, or says no environment.
    """
    found: dict[str, list[Level]] = {}
    for file in files:
        actor = packed.load(file)
        about = actor.provenance
        name = environment or about.environment
        if not name:
            raise ValueError(f"{file}: names no environment; needed is --env")
        recorded = ""
        if about.measured_return is not None:
            recorded = f"{_rounded(about.measured_return)} when it was made"
        level = Level(_called(about.variant, file.stem), actor, file.stat().st_size, recorded)
        found.setdefault(name, []).append(level)
    return [
        study(name, distinct(levels), f"{len(levels)} packed actors" if levels[1:] else "one actor")
        for name, levels in found.items()
    ]


def of_run(run: Run, seed: str = MEDIAN, arm: Sequence[str] = ()) -> Study:
    """The policies of one seed of a finished run, all variants or those of `arm`.

    The median seed is that of the run's film. Raises ValueError, one line, where the run has no
    such variant or seed, or a file is damaged.
    """
    environment = run.config.environment
    world(environment)
    table = final_table(run.metrics)
    names = list(arm) or run.finished
    chosen = _seed(run, seed)
    rows = {str(row["variant"]): row for row in table.to_dict("records")}
    dense = dense_name(table)
    levels = []
    for name in names:
        returns = run.final_returns(name)
        if not np.isfinite(returns.get(chosen, np.nan)):
            continue
        packed_actor = run.packed(name, chosen)
        actor = replace(packed_actor, graph=compact(packed_actor.graph))
        row = rows[name]
        places = decimals_of(abs(row["return_iqm"]))
        recorded = f"{number(row['return_iqm'], places)} ({row['seeds']} seeds)"
        if np.isfinite(row["return_low"]):
            ends = interval(row["return_low"], row["return_high"], places)
            recorded = f"{number(row['return_iqm'], places)} ({ends}; {row['seeds']} seeds)"
        size = len(packed.to_bytes(actor))
        called = "dense" if name == dense else name
        levels.append(Level(called, actor, size, recorded, str(row["verdict"])))
    if not levels:
        raise ValueError(f"{run.path}: seed {chosen} has no finite return; allowed: another seed")
    return study(environment, levels, f"run {run.name}, seed {chosen}")


def distinct(levels: Sequence[Level]) -> list[Level]:
    """The levels; a name that comes again has the actor's seed behind it, or else a number."""
    called = [(level.name, level.actor.provenance.seed) for level in levels]
    names = [name for name, _ in called]
    found: list[Level] = []
    for at, level in enumerate(levels):
        if names.count(level.name) > 1:
            alone = called.count(called[at]) == 1 and called[at][1] is not None
            place = names[: at + 1].count(level.name)
            behind = f"seed {called[at][1]}" if alone else f"number {place}"
            level = replace(level, name=f"{level.name}, {behind}")
        found.append(level)
    return found


def _seed(run: Run, asked: str) -> int:
    if asked == MEDIAN:
        variants = shown_variants(final_table(run.metrics))
        if not variants:
            raise ValueError(f"{run.path}: no variant has a seed that did not fail")
        return median_seed(run.metrics, variants)
    return seed_named(asked, MEDIAN, run.config.seed_numbers)


def _called(variant: str, stem: str) -> str:
    return "dense" if variant == DENSE.name else variant or stem


def _rounded(value: float) -> str:
    return number(value, decimals_of(abs(value)))
