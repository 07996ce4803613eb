"""The state of all members, and the programs that make, fork and mark it.

A member is one (seed, variant). Every array of its state has the leading member axis [M], put there
by `jax.vmap`; only the clock has none, because it is the same for all: so `lax.cond` on it stays a
branch. The member axis is sharded over the devices of a mesh; members never talk to each other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from sparse_rl.agents.agent import Agent, Competes, Metrics
from sparse_rl.envs import VectorEnv
from sparse_rl.kept import kept
from sparse_rl.networks import FlaxNetwork
from sparse_rl.population.masking import first_masks, mask_key
from sparse_rl.population.ranges import begun
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.method import Method

AXIS = "members"

TargetCounts = dict[str, Int[Array, "members layers"]]
"""For each prunable network, how many weights of each layer a member loses in the end."""


class EpisodeStatistics(NamedTuple):
    """Sums since the last log: losses per update, and the returns of finished episodes."""

    metrics: Metrics
    updates: Int[Array, " members"]
    running_return: Float[Array, "members environments"]
    finished_return: Float[Array, " members"]
    episodes: Int[Array, " members"]


class Members(NamedTuple):
    """The state of all members; every leaf has the leading axis [M].

    The leaves of `environment` have the axes [M, E]: each member's E environments. A member has
    failed when a loss, an action or a weight of it was not a finite number. From then on its policy
    stays what it was before, and what it does counts for nothing.
    """

    agent: Any
    memory: Any
    environment: PyTree
    act_key: Key[Array, " members"]
    learn_key: Key[Array, " members"]
    evaluation_key: Key[Array, " members"]
    target_counts: TargetCounts
    failed: Bool[Array, " members"]
    statistics: EpisodeStatistics


class Population(NamedTuple):
    """Members and the one clock: environment steps that every member has finished."""

    members: Members
    clock: Int[Array, ""]


class Program(NamedTuple):
    """What is static in a phase.

    `method` is None where masks do not change. `fixed_scales` is the policy's network where its
    activations have fixed scales, which follow the largest inputs that it meets, else None.
    """

    agent: Agent
    environment: VectorEnv
    method: Method | None
    fixed_scales: FlaxNetwork | None = None


def mesh(devices: Sequence[jax.Device]) -> Mesh:
    """All `devices` in a row along the member axis."""
    return Mesh(devices, (AXIS,))


def padded(members: int, mesh: Mesh) -> int:
    """The next multiple of the number of devices: every device holds equally many members."""
    devices = mesh.devices.size
    return -(-members // devices) * devices


def sharded(local: Callable[..., Population], mesh: Mesh) -> Any:
    """The compiled function of a population, and of scalars, whose members are shared by devices.

    The population goes in and comes out in the same memory.
    """
    specs = Population(P(AXIS), P())  # type: ignore[arg-type]
    scalars = (P(),) * (len(inspect.signature(local).parameters) - 1)
    mapped = jax.shard_map(
        local, mesh=mesh, in_specs=(specs, *scalars), out_specs=specs, check_vma=False
    )
    return jax.jit(mapped, donate_argnums=0)


def init(
    program: Program,
    mesh: Mesh,
    seeds: Int[np.ndarray, " members"],
    target_counts: Mapping[str, Int[np.ndarray, "members layers"]],
) -> Population:
    """Fresh members. All that a member draws follows from its own seed."""
    return Population(*_initializer(program, mesh)(seeds, dict(target_counts)))


@kept(8)
def _initializer(program: Program, mesh: Mesh) -> Any:
    def local(
        seeds: Int[Array, " members"], target_counts: TargetCounts
    ) -> tuple[Members, Int[Array, ""]]:
        agent, count, clock = program.agent, seeds.shape[0], jnp.int32(0)
        keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 5))(seeds)
        state = jax.vmap(agent.init)(keys[:, 0])
        mask_keys = jax.vmap(mask_key, (0, None))(keys[:, 3], clock)
        masked = functools.partial(first_masks, agent, program.method)
        state = jax.vmap(masked)(state, target_counts, mask_keys)
        if program.fixed_scales is not None:
            state = jax.vmap(functools.partial(begun, program.fixed_scales))(state)
        environment, observation = reset(program, keys[:, 1])
        state, memory = jax.vmap(agent.begin, (0, 0, None))(state, observation, clock)
        learned = jax.eval_shape(
            jax.vmap(agent.learn, (0, 0, 0, None)), state, memory, keys[:, 0], clock
        )
        zeros, none = jnp.zeros(count), jnp.zeros(count, jnp.int32)
        statistics = EpisodeStatistics(
            metrics={name: zeros for name in learned.metrics},
            updates=none,
            running_return=jnp.zeros((count, agent.environments)),
            finished_return=zeros,
            episodes=none,
        )
        members = Members(
            agent=state,
            memory=memory,
            environment=environment,
            act_key=keys[:, 2],
            learn_key=keys[:, 3],
            evaluation_key=keys[:, 4],
            target_counts=target_counts,
            failed=jnp.zeros(count, bool),
            statistics=statistics,
        )
        return members, clock

    mapped = jax.shard_map(
        local, mesh=mesh, in_specs=P(AXIS), out_specs=(P(AXIS), P()), check_vma=False
    )
    return jax.jit(mapped)


def reset(
    program: Program, keys: Key[Array, " members"]
) -> tuple[PyTree, Float[Array, "members environments *observation"]]:
    """New episodes in all environments of all members: states and first observations."""
    each = program.agent.environments
    if each > 1:
        keys = jax.vmap(lambda key: jax.random.split(key, each))(keys).reshape(-1)
    return by_member(program.environment.reset(keys), each)


def by_member(tree: PyTree, environments: int) -> PyTree:
    """Leaves [M * E, ...] of a batch of environments as [M, E, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, environments, *leaf.shape[1:]), tree)


def as_batch(tree: PyTree) -> PyTree:
    """Leaves [M, E, ...] of members as one batch of environments [M * E, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tree)


def with_empty_statistics(population: Population) -> Population:
    """The population after its sums have been read; returns of running episodes stay."""
    statistics = population.members.statistics
    empty = jax.tree.map(jnp.zeros_like, statistics)
    empty = empty._replace(running_return=statistics.running_return)
    return population._replace(members=population.members._replace(statistics=empty))


def with_failures(population: Population, agent: Agent) -> Population:
    """The population, with those members marked whose parameters are not finite.

    Those of a rival do not count: it loses at the next turn.
    """
    members = population.members
    state = agent.settled(members.agent) if isinstance(agent, Competes) else members.agent
    return population._replace(members=members._replace(failed=_failures(state, members.failed)))


@jax.jit
def _failures(agent: Any, failed: Bool[Array, " members"]) -> Bool[Array, " members"]:
    for leaf in jax.tree.leaves(agent):
        failed = failed | ~jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1)
    return failed


def alive_counts(population: Population, network: str = "policy") -> Int[Array, "members layers"]:
    """Weights alive in each layer of one network of each member; twins are counted together."""
    masks = getattr(population.members.agent, network).masks
    return jax.vmap(mask_rules.alive_counts)(masks)
