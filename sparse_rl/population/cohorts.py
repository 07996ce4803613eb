"""The members of a phase in cohorts, which train one after the other.

What a core reads and writes in an update, weights, moments and activations of all its members, is
to fit into its cache. So a chunk of training brings one cohort forward, then the next, by the same
compiled program; on a CPU that is 1.1 to 1.7 times as fast as all at once (benchmarks/NOTES.md). On
a GPU all members are one cohort, and where several processes share them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, PyTree

from sparse_rl.population.members import Population
from sparse_rl.runtime import devices

CACHE = 5_000_000
"""Bytes of networks and optimizers that a core may have of a cohort, unless these are too few.

As much again goes to activations and gradients."""
FEWEST = 3
"""Members that a core may always have of a cohort: fewer are more and smaller operations.

It has two where they divide its members and three do not, as `sizes` says."""
MOST = 10
"""And at most: more share no operation's cost any better, and have batches in the cache, too."""

Sizes = tuple[int, ...]
"""Members of each cohort, those included that fill up the devices."""


class Cohorts(NamedTuple):
    """All members, in their order; every part has the same clock and a share of each device."""

    parts: tuple[Population, ...]

    @property
    def clock(self) -> Int[Array, ""]:
        """Environment steps that every member has finished."""
        return self.parts[0].clock

    @property
    def sizes(self) -> Sizes:
        return tuple(len(part.members.failed) for part in self.parts)

    def at(self, clock: int) -> Cohorts:
        """The same members with another clock."""
        place = self.clock.sharding
        return self.each(lambda part: part._replace(clock=jax.device_put(np.int32(clock), place)))

    def each(self, change: Callable[[Population], Population]) -> Cohorts:
        """Every cohort changed by itself."""
        return Cohorts(tuple(change(part) for part in self.parts))

    def advanced(self, programs: Sequence[Callable[..., Population]], iterations: int) -> Cohorts:
        """All after that many iterations, one cohort after the other, each by its own program."""
        return Cohorts(
            tuple(
                jax.block_until_ready(program(part, np.int32(iterations)))
                for program, part in zip(programs, self.parts, strict=True)
            )
        )

    def read(self, of: Callable[[Population], PyTree]) -> Any:
        """Arrays [M, ...] of all members on the host, of what `of` finds in each cohort."""
        found = devices.to_host(tuple(of(part) for part in self.parts))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


def most_at_once(agent: PyTree, mesh: Mesh, wanted: int = 0) -> int:
    """Members of a cohort on each device: `wanted`, or as many as fit, by the shapes of one.

    `agent` are a member's networks and optimizers. 0 means all members: so on an accelerator,
    unless others are wanted, and always with several processes, whose files hold members in order.
    """
    if jax.process_count() > 1:
        return 0
    if wanted or mesh.devices.flat[0].platform != "cpu":
        return wanted
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(agent))
    return min(max(FEWEST, round(CACHE / size)), MOST)


def sizes(members: int, mesh: Mesh, most: int) -> Sizes:
    """How `members`, which divide the devices of `mesh`, are cut: at most `most` on each device.

    All alike, for which one program is compiled, where two thirds of `most` or more divide a
    device's members; else they differ by one on each device. `most` 0 leaves all in one.
    """
    count = mesh.devices.size
    each = members // count
    fewest = -(-each // most) if most else 1
    alike = (n for n in range(fewest, 2 * fewest) if each % n == 0 and 3 * each >= 2 * most * n)
    parts = np.array_split(np.arange(each), next(alike, fewest))
    return tuple(count * len(part) for part in parts)


def begins(sizes: Sizes) -> Int[np.ndarray, " cohorts"]:
    """The place among all of each cohort's first member."""
    return np.cumsum((0, *sizes[:-1]))


def cut(tree: PyTree, sizes: Sizes) -> list[Any]:
    """Arrays of all members as those of each cohort."""
    return [
        jax.tree.map(lambda rows, where=slice(begin, begin + size): rows[where], tree)
        for begin, size in zip(begins(sizes), sizes, strict=True)
    ]
