"""A population made of another one: copies, others' masks, other levels, ranges."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from sparse_rl.agents.agent import Agent
from sparse_rl.agents.eau_dqn import EauDQN
from sparse_rl.kept import kept
from sparse_rl.networks import FlaxNetwork
from sparse_rl.population.masking import given_masks, with_copies_masked
from sparse_rl.population.members import AXIS, Population
from sparse_rl.population.ranges import begun


def fork(population: Population, parents: Int[np.ndarray, " children"], mesh: Mesh) -> Population:
    """A population whose member i is a copy of member `parents[i]`.

    A copy shares its parent's random keys: variants of one seed see the same random numbers, so
    that they can be compared pairwise.
    """
    copied = _copy(mesh)(population.members, parents)
    return Population(copied, jnp.copy(population.clock))


@kept(4)
def _copy(mesh: Mesh) -> Any:
    return jax.jit(
        lambda members, parents: jax.tree.map(lambda leaf: leaf[parents], members),
        out_shardings=NamedSharding(mesh, P(AXIS)),
    )


def with_ranges(population: Population, network: FlaxNetwork, mesh: Mesh) -> Population:
    """The population whose policies begin to remember their layers' largest inputs."""
    begin = jax.vmap(functools.partial(begun, network))
    compiled = jax.jit(begin, out_shardings=NamedSharding(mesh, P(AXIS)))
    members = population.members
    return population._replace(members=members._replace(agent=compiled(members.agent)))


def settled(population: Population, agent: EauDQN, mesh: Mesh) -> Population:
    """The population without the networks that its policies have competed with."""
    compiled = jax.jit(jax.vmap(agent.settled), out_shardings=NamedSharding(mesh, P(AXIS)))
    members = population.members
    return population._replace(members=members._replace(agent=compiled(members.agent)))


def with_masks_of(
    agent: Agent,
    population: Population,
    donors: Population,
    chosen: Int[np.ndarray, " members"],
    mesh: Mesh,
) -> Population:
    """The population in which member i has the masks of member `chosen[i]` of the donors."""

    def masked(state: Any, masks: Any) -> Any:
        mine = jax.tree.map(lambda leaf: leaf[chosen], masks)
        masked = state._replace(**given_masks(agent, state, mine))
        return with_copies_masked(agent, masked)

    given = {name: getattr(donors.members.agent, name).masks for name in agent.prunable}
    compiled = jax.jit(masked, out_shardings=NamedSharding(mesh, P(AXIS)))
    members = population.members
    return population._replace(members=members._replace(agent=compiled(members.agent, given)))


def with_target_counts(
    population: Population,
    target_counts: Mapping[str, Int[np.ndarray, "members layers"]],
    mesh: Mesh,
) -> Population:
    """The population with the variants' final numbers of dead weights."""

    def place(counts: Int[np.ndarray, "members layers"]) -> Array:
        sharding = NamedSharding(mesh, P(AXIS))
        return jax.make_array_from_callback(counts.shape, sharding, lambda index: counts[index])

    placed = {name: place(counts) for name, counts in target_counts.items()}
    return population._replace(members=population.members._replace(target_counts=placed))
