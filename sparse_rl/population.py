"""All members at once: their state, one chunk of training, and the fork.

A member is one (seed, arm). Every array of its state has the leading member axis [M], put there by
`jax.vmap`; only the clock has none, because it is the same for all: so `lax.cond` on it stays a
branch. The member axis is sharded over the devices of a mesh; members never talk to each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int, Key, Num, PyTree

from sparse_rl import replay
from sparse_rl.agents.agent import Agent, Metrics
from sparse_rl.config import ReplayConfig, TrainingConfig
from sparse_rl.envs import VectorEnv
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.method import GradualPruning

AXIS = "members"


class Tally(NamedTuple):
    """Sums since the last log: losses per update, and the returns of finished episodes."""

    metrics: Metrics
    updates: Int[Array, " members"]
    running_return: Float[Array, " members"]
    finished_return: Float[Array, " members"]
    episodes: Int[Array, " members"]


class Members(NamedTuple):
    """The state of all members; every leaf has the leading axis [M]."""

    agent: Any
    ring: replay.Ring
    environment: PyTree
    act_key: Key[Array, " members"]
    learn_key: Key[Array, " members"]
    evaluation_key: Key[Array, " members"]
    pruned: Int[Array, "members layers"]
    tally: Tally


class Population(NamedTuple):
    """Members and the one clock: environment steps that every member has finished."""

    members: Members
    clock: Int[Array, ""]


class Program(NamedTuple):
    """What is static in a phase. `pruning` is None where masks do not change."""

    agent: Agent
    environment: VectorEnv
    replay: ReplayConfig
    training: TrainingConfig
    discount: float
    pruning: GradualPruning | None


Chunk = Callable[[Population, Int[Array, ""]], Population]


def mesh(devices: Sequence[jax.Device]) -> Mesh:
    """All `devices` in a row along the member axis."""
    return Mesh(devices, (AXIS,))


def padded(members: int, mesh: Mesh) -> int:
    """The next multiple of the number of devices: every device holds equally many members."""
    devices = mesh.devices.size
    return -(-members // devices) * devices


def init(
    program: Program, mesh: Mesh, seeds: Int[Array, " members"], pruned: Int[Array, "members layers"]
) -> Population:
    """Fresh members. All that a member draws follows from its own seed."""

    def local(
        seeds: Int[Array, " members"], pruned: Int[Array, "members layers"]
    ) -> tuple[Members, Int[Array, ""]]:
        keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 5))(seeds)
        agent = jax.vmap(program.agent.init)(keys[:, 0])
        environment, observation = program.environment.reset(keys[:, 1])
        action = jax.vmap(program.agent.random_action)(keys[:, 2])
        ring = jax.vmap(functools.partial(replay.init, program.replay.capacity))(
            observation, action
        )
        _, losses = jax.eval_shape(functools.partial(_learn_once, program), agent, ring, keys[:, 0])
        zeros = jnp.zeros(seeds.shape[0])
        count = jnp.zeros(seeds.shape[0], jnp.int32)
        tally = Tally({name: zeros for name in losses}, count, zeros, zeros, count)
        members = Members(
            agent, ring, environment, keys[:, 2], keys[:, 3], keys[:, 4], pruned, tally
        )
        return members, jnp.int32(0)

    sharded = jax.shard_map(
        local, mesh=mesh, in_specs=P(AXIS), out_specs=(P(AXIS), P()), check_vma=False
    )
    return Population(*jax.jit(sharded)(seeds, pruned))


def _learn_once(
    program: Program, agent: Any, ring: replay.Ring, keys: Key[Array, " members"]
) -> tuple[Any, Metrics]:
    """One gradient step of every member, for its shapes."""
    clock = jnp.int32(program.replay.batch_size)
    return jax.vmap(functools.partial(_gradient_step, program, clock))(agent, ring, keys)


def _gradient_step(
    program: Program, clock: Int[Array, ""], agent: Any, ring: replay.Ring, key: Key[Array, ""]
) -> tuple[Any, Metrics]:
    sample_key, update_key = jax.random.split(key)
    batch = replay.sample(
        ring,
        sample_key,
        clock,
        program.replay.batch_size,
        program.discount,
        program.replay.n_step,
        program.environment.spec.frame_stack,
    )
    return program.agent.update(agent, batch, update_key, clock)


def _interact(
    program: Program,
    members: Members,
    clock: Int[Array, ""],
    choose: Callable[..., Num[Array, "members *action"]],
) -> Members:
    """One environment step of every member, written to its ring."""
    keys = jax.vmap(jax.random.fold_in, (0, None))(members.act_key, clock)
    observe = functools.partial(replay.observe, frame_stack=program.environment.spec.frame_stack)
    observation = jax.vmap(observe, (0, None))(members.ring, clock)
    action = choose(members.agent, observation, keys, clock)
    environment, outcome = program.environment.step(members.environment, action)
    ring = jax.vmap(replay.write, (0, None, 0, 0, 0, 0, 0, 0))(
        members.ring, clock, action, *outcome
    )
    return members._replace(
        ring=ring,
        environment=environment,
        tally=_count_rewards(members.tally, outcome.reward, outcome.terminated | outcome.truncated),
    )


def _count_rewards(
    tally: Tally, reward: Float[Array, " members"], ended: Num[Array, " members"]
) -> Tally:
    total = tally.running_return + reward
    return tally._replace(
        running_return=jnp.where(ended, 0.0, total),
        finished_return=tally.finished_return + jnp.where(ended, total, 0.0),
        episodes=tally.episodes + ended,
    )


def learn(
    program: Program,
    agent: Any,
    ring: replay.Ring,
    key: Key[Array, ""],
    pruned: Int[Array, " layers"],
    clock: Int[Array, ""],
) -> tuple[Any, Metrics]:
    """The update of one member: gradient steps, then the masks where they are due.

    Meant for `vmap` with an unbatched clock: then the masks' sort runs only when it is due.
    """
    keys = jax.random.split(jax.random.fold_in(key, clock), program.training.gradient_steps)
    metrics: Metrics = {}
    for step_key in keys:
        agent, metrics = _gradient_step(program, clock, agent, ring, step_key)
    pruning = program.pruning
    if pruning is not None:
        old = agent.policy
        policy = jax.lax.cond(
            pruning.schedule.is_due(clock),
            lambda: old.with_masks(pruning.update(old.masks, old.params, pruned, clock)),
            lambda: old,
        )
        agent = agent._replace(policy=policy)
    return agent, metrics


def _learn_all(program: Program, members: Members, clock: Int[Array, ""]) -> Members:
    agent, metrics = jax.vmap(functools.partial(learn, program), (0, 0, 0, 0, None))(
        members.agent, members.ring, members.learn_key, members.pruned, clock
    )
    tally = members.tally._replace(
        metrics=jax.tree.map(jnp.add, members.tally.metrics, metrics),
        updates=members.tally.updates + 1,
    )
    return members._replace(agent=agent, tally=tally)


def collect_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program that takes n uniformly random steps and learns nothing."""

    def choose(agent: Any, observation: Any, keys: Any, clock: Any) -> Num[Array, "members *a"]:
        return jax.vmap(program.agent.random_action)(keys)

    def iteration(_: Int[Array, ""], population: Population) -> Population:
        members = _interact(program, population.members, population.clock, choose)
        return Population(members, population.clock + 1)

    return _compiled(iteration, mesh)


def train_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program of n iterations; one is `train_frequency` environment steps and an update."""

    def choose(agent: Any, observation: Any, keys: Any, clock: Any) -> Num[Array, "members *a"]:
        return jax.vmap(program.agent.explore, (0, 0, 0, None))(agent, observation, keys, clock)

    def step(_: Int[Array, ""], population: Population) -> Population:
        members = _interact(program, population.members, population.clock, choose)
        return Population(members, population.clock + 1)

    def iteration(index: Int[Array, ""], population: Population) -> Population:
        frequency = program.training.train_frequency
        if frequency == 1:
            population = step(index, population)
        else:
            population = jax.lax.fori_loop(0, frequency, step, population)
        members = _learn_all(program, population.members, population.clock)
        return population._replace(members=members)

    return _compiled(iteration, mesh)


def _compiled(iteration: Callable[[Any, Population], Population], mesh: Mesh) -> Chunk:
    """One program for any number of iterations, so that a phase compiles once."""

    def local(population: Population, iterations: Int[Array, ""]) -> Population:
        return jax.lax.fori_loop(0, iterations, iteration, population)

    specs = Population(P(AXIS), P())  # type: ignore[arg-type]
    sharded = jax.shard_map(
        local, mesh=mesh, in_specs=(specs, P()), out_specs=specs, check_vma=False
    )
    return jax.jit(sharded, donate_argnums=0)


def fork(population: Population, parents: Int[Array, " children"], mesh: Mesh) -> Population:
    """A population whose member i is a copy of member `parents[i]`.

    A copy shares its parent's random keys: arms of one seed see the same random numbers, so that
    they can be compared pairwise.
    """
    sharding = NamedSharding(mesh, P(AXIS))

    def copy(leaf: Num[Array, "members ..."]) -> Num[Array, "children ..."]:
        return jax.jit(lambda x: x[parents], out_shardings=sharding)(leaf)

    return population._replace(members=jax.tree.map(copy, population.members))


def with_pruned(population: Population, pruned: Int[Array, "members layers"]) -> Population:
    """The population with the arms' final numbers of dead weights."""
    return population._replace(members=population.members._replace(pruned=pruned))


def with_empty_tally(population: Population) -> Population:
    """The population after its sums have been read; returns of running episodes stay."""
    tally = population.members.tally
    empty = jax.tree.map(jnp.zeros_like, tally)._replace(running_return=tally.running_return)
    return population._replace(members=population.members._replace(tally=empty))


def alive_counts(population: Population) -> Int[Array, "members layers"]:
    """Weights alive in each layer of each member's policy."""
    return jax.vmap(mask_rules.alive_counts)(population.members.agent.policy.masks)
