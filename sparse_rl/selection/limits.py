"""The best variant of a run whose delivered policy is small and fast enough."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sparse_rl.artifact import reference
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import CompilationError, find_compiler
from sparse_rl.artifact.cost import latency
from sparse_rl.artifact.cost.latency import TimingError
from sparse_rl.artifact.packed import PackedActor, to_bytes
from sparse_rl.envs import VectorEnv
from sparse_rl.playing.play import play
from sparse_rl.runs.run import Run

_OBSERVATIONS = 1000


class Limits(NamedTuple):
    """What a delivered policy may take at most; 0 for no limit."""

    bytes: int = 0
    microseconds: float = 0.0

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return bool(self.bytes or self.microseconds)

    def excess(self, size: int, microseconds: float) -> float:
        """How many times the limit that is exceeded most; at most 1 where both are kept."""
        shares = [size / self.bytes if self.bytes else 0.0]
        shares.append(microseconds / self.microseconds if self.microseconds else 0.0)
        return max(shares)


def best_within(run: Run, seeds: Mapping[str, int], environment: VectorEnv, limits: Limits) -> str:
    """The variant of the highest interquartile mean return whose policy keeps the limits.

    Of each variant the policy of the seed beside it is measured; what was found is printed. Raises
    ValueError, one line, where none keeps them, naming the one that is nearest, and where a time is
    limited and there is no compiler, or it or what it made fails.
    """
    if limits.microseconds and find_compiler() is None:
        raise ValueError("--max-us: there is no C compiler to time actors with; allowed: 0")
    returns = run.summary().set_index("variant")["return_iqm"]
    excess: dict[str, float] = {}
    costs: dict[str, str] = {}
    for name, seed in seeds.items():
        packed = run.packed(name, seed, environment.spec)
        graph = compact(packed.graph)
        size, time = len(to_bytes(PackedActor(graph, packed.provenance))), 0.0
        costs[name] = f"{size:,} bytes"
        if limits.microseconds:
            act = functools.partial(reference.act, graph)
            seen = play(act, environment, 1, seed, keep=_OBSERVATIONS).observations
            try:
                time = latency.of_source(generate(graph), seen).median
            except (CompilationError, TimingError) as error:
                raise ValueError(f"--max-us: {error}; allowed: 0") from None
            costs[name] += f", {time:.3g} us"
        excess[name] = limits.excess(size, time)
    fit = [name for name in seeds if excess[name] <= 1 and np.isfinite(returns[name])]
    if not fit:
        nearest = min(excess, key=lambda name: excess[name])
        raise ValueError(f"no variant keeps the limits; nearest is {nearest} with {costs[nearest]}")
    best = max(fit, key=lambda name: returns[name])
    print(
        f"{len(fit)} of {len(seeds)} variants are within the limits; the best return has {best} "
        f"({returns[best]:.4g}, {costs[best]})"
    )
    return best
