"""A population made of another one: copies, others' masks, other levels, ranges."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from sparse_rl.agents.agent import Agent, Competes
from sparse_rl.kept import kept
from sparse_rl.networks import FlaxNetwork
from sparse_rl.population.cohorts import Cohorts, Sizes, begins, cut
from sparse_rl.population.masking import given_masks, with_copies_masked
from sparse_rl.population.members import AXIS, Population
from sparse_rl.population.ranges import begun


def fork(
    before: Cohorts, parents: Int[np.ndarray, " children"], sizes: Sizes, mesh: Mesh
) -> Cohorts:
    """Cohorts of those `sizes` whose member i of all is a copy of member `parents[i]` of all.

    A copy shares its parent's random keys: variants of one seed see the same random numbers, so
    that they can be compared pairwise.
    """
    first = begins(before.sizes)
    parts = []
    for mine in cut(parents, sizes):
        home = np.searchsorted(first, mine, side="right") - 1
        rows = mine - first[home]
        needed, place = np.unique(home, return_inverse=True)
        homes = tuple(before.parts[index].members for index in needed)
        copied = _copy(mesh)(homes, place, rows)
        parts.append(Population(copied, jnp.copy(before.clock)))
    return Cohorts(tuple(parts))


@kept(4)
def _copy(mesh: Mesh) -> Any:
    def copied(parts: Any, place: Any, rows: Any) -> Any:
        return jax.tree.map(lambda *leaves: _taken(leaves, place, rows), *parts)

    return jax.jit(copied, out_shardings=NamedSharding(mesh, P(AXIS)))


def _taken(
    leaves: Sequence[Array], place: Int[Array, " children"], rows: Int[Array, " children"]
) -> Array:
    """Row `rows[i]` of `leaves[place[i]]`, for each i; without all of them in one array before."""
    found = leaves[0].at[rows].get(mode="clip")
    for index, leaf in enumerate(leaves[1:], start=1):
        mine = (place == index).reshape(-1, *(1,) * (leaf.ndim - 1))
        # Rows of others' are those of any member here, and not chosen.
        found = jnp.where(mine, leaf.at[rows].get(mode="clip"), found)
    return found


def with_ranges(members: Cohorts, network: FlaxNetwork, mesh: Mesh) -> Cohorts:
    """The members whose policies begin to remember their layers' largest inputs."""
    return _with_agents(members, jax.vmap(functools.partial(begun, network)), mesh)


def settled(members: Cohorts, agent: Competes, mesh: Mesh) -> Cohorts:
    """The members without the networks that their policies have competed with."""
    return _with_agents(members, jax.vmap(agent.settled), mesh)


def _with_agents(members: Cohorts, change: Callable[[Any], Any], mesh: Mesh) -> Cohorts:
    compiled = jax.jit(change, out_shardings=NamedSharding(mesh, P(AXIS)))
    return members.each(lambda part: _with_agent(part, compiled(part.members.agent)))


def _with_agent(population: Population, agent: Any) -> Population:
    return population._replace(members=population.members._replace(agent=agent))


def with_masks_of(
    agent: Agent,
    members: Cohorts,
    donors: Cohorts,
    chosen: Int[np.ndarray, " members"],
    mesh: Mesh,
) -> Cohorts:
    """The members of which number i has the masks of number `chosen[i]` of the donors."""

    def masked(state: Any, donated: Any, rows: Int[Array, " members"]) -> Any:
        mine = jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[rows], *donated)
        masked = state._replace(**given_masks(agent, state, mine))
        return with_copies_masked(agent, masked)

    donated = tuple(
        {name: getattr(part.members.agent, name).masks for name in agent.prunable}
        for part in donors.parts
    )
    compiled = jax.jit(masked, out_shardings=NamedSharding(mesh, P(AXIS)))
    rows = cut(chosen, members.sizes)
    return Cohorts(
        tuple(
            _with_agent(part, compiled(part.members.agent, donated, mine))
            for part, mine in zip(members.parts, rows, strict=True)
        )
    )


def with_target_counts(
    members: Cohorts,
    target_counts: Mapping[str, Int[np.ndarray, "members layers"]],
    mesh: Mesh,
) -> Cohorts:
    """The members with their variants' final numbers of dead weights."""

    def place(counts: Int[np.ndarray, "members layers"]) -> Array:
        sharding = NamedSharding(mesh, P(AXIS))
        return jax.make_array_from_callback(counts.shape, sharding, lambda index: counts[index])

    parts = []
    for part, mine in zip(members.parts, cut(dict(target_counts), members.sizes), strict=True):
        placed = {name: place(counts) for name, counts in mine.items()}
        parts.append(part._replace(members=part.members._replace(target_counts=placed)))
    return Cohorts(tuple(parts))
