"""Actors that are given to all runtimes, and a line of what was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic
from sparse_rl.architecture.operations import Squash
from sparse_rl.artifact import packed, reference
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import Graph

Row = dict[str, Any]


class NotRun(NamedTuple):
    """Instead of a row: who is missing, and why."""

    runtime: str
    why: str


@dataclass(frozen=True, eq=False)
class Case:
    """One dense actor in float32, for all; and ours, by name, as they are delivered.

    The dense one's actions are in [-1, 1]: the environment's bounds are left to the caller.
    """

    name: str
    dense: Graph
    observations: NDArray[np.float32]
    ours: dict[str, Graph]


def random_case() -> Case:
    """17-256-256-6 with random weights and masks, with and without what compaction takes."""
    sizes = (17, 256, 256, 6)
    dense = synthetic.mlp_actor(sizes, 0.0, "float32")
    observations = synthetic.random_observations(dense, 1000)
    ours = {"0 float32": dense}
    ours["0 integer"] = synthetic.calibrated_mlp_actor(sizes, 0.0, "integer", observations)
    for sparsity in (0.9, 0.98):
        for numbers in ("float32", "int8", "integer"):
            graph = synthetic.calibrated_mlp_actor(sizes, sparsity, numbers, observations)  # type: ignore[arg-type]
            ours[f"{sparsity:g} {numbers}, as masked"] = graph
            ours[f"{sparsity:g} {numbers}"] = compact(graph)
    return Case("17-256-256-6, random weights", dense, observations, ours)


def trained(folder: Path) -> Case:
    """The policies of a folder; observations are those of the dense one's own episodes."""
    from sparse_rl.envs import make
    from sparse_rl.playing.play import play

    policies = {path.stem: packed.load(path) for path in sorted(folder.glob("*.srl"))}
    dense = policies["dense"]
    made = make(dense.provenance.environment)
    seen = play(lambda x: reference.act(dense.graph, x), made, 5, 0, keep=1000).observations
    observations = np.asarray(seen, np.float32)
    ours = {name: policy.graph for name, policy in policies.items()}
    width = dense.graph.output_shape[0]
    alone = replace(dense.graph, output=Squash((-1.0,) * width, (1.0,) * width))
    return Case(f"{folder}, {dense.provenance.environment}", alone, observations, ours)
