"""All members at once: their state, one chunk of training, and the fork.

A member is one (seed, arm). Every array of its state has the leading member axis [M], put there by
`jax.vmap`; only the clock has none, because it is the same for all: so `lax.cond` on it stays a
branch. The member axis is sharded over the devices of a mesh; members never talk to each other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int, Key, Num, PyTree

from sparse_rl import replay
from sparse_rl.agents.agent import Agent, Metrics
from sparse_rl.config.sections import ReplayConfig, TrainingConfig
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
    """The state of all members; every leaf has the leading axis [M].

    A member has failed when a loss, an action or a weight of it was not a finite number. From then
    on its policy stays what it was before, and what it does counts for nothing.
    """

    agent: Any
    ring: replay.Ring
    environment: PyTree
    act_key: Key[Array, " members"]
    learn_key: Key[Array, " members"]
    evaluation_key: Key[Array, " members"]
    pruned: Int[Array, "members layers"]
    failed: Bool[Array, " members"]
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


class Chunk(Protocol):
    """A compiled program: a population and a number of iterations to the population after them."""

    def __call__(self, population: Population, iterations: int | np.int32) -> Population: ...
    def lower(self, population: Population, iterations: np.int32) -> Any: ...


def mesh(devices: Sequence[jax.Device]) -> Mesh:
    """All `devices` in a row along the member axis."""
    return Mesh(devices, (AXIS,))


def padded(members: int, mesh: Mesh) -> int:
    """The next multiple of the number of devices: every device holds equally many members."""
    devices = mesh.devices.size
    return -(-members // devices) * devices


def init(
    program: Program,
    mesh: Mesh,
    seeds: Int[np.ndarray, " members"],
    pruned: Int[np.ndarray, "members layers"],
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
        failed = jnp.zeros(seeds.shape[0], bool)
        members = Members(
            agent, ring, environment, keys[:, 2], keys[:, 3], keys[:, 4], pruned, failed, tally
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
    action, unusable = _finite(choose(members.agent, observation, keys, clock))
    environment, outcome = program.environment.step(members.environment, action)
    ring = jax.vmap(replay.write, (0, None, 0, 0, 0, 0, 0, 0))(
        members.ring, clock, action, *outcome
    )
    return members._replace(
        ring=ring,
        environment=environment,
        failed=members.failed | unusable,
        tally=_count_rewards(members.tally, outcome.reward, outcome.terminated | outcome.truncated),
    )


def _finite(
    action: Num[Array, "members *action"],
) -> tuple[Num[Array, "members *action"], Bool[Array, " members"]]:
    """Actions that any simulator can take, and for which members they had to be made so."""
    usable = jnp.isfinite(action)
    every = usable.reshape(action.shape[0], -1).all(axis=1)
    return jnp.where(usable, action, 0), ~every


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
    failed: Bool[Array, ""],
    clock: Int[Array, ""],
) -> tuple[Any, Bool[Array, ""], Metrics]:
    """The update of one member: gradient steps, then the masks where they are due.

    Meant for `vmap` with an unbatched clock: then the masks' selection runs only when it is due.
    """
    keys = jax.random.split(jax.random.fold_in(key, clock), program.training.gradient_steps)

    def gradient_step(
        carry: tuple[Any, Bool[Array, ""]], step_key: Key[Array, ""]
    ) -> tuple[tuple[Any, Bool[Array, ""]], Metrics]:
        agent, failed = carry
        stepped, metrics = _gradient_step(program, clock, agent, ring, step_key)
        failed = failed | ~jnp.isfinite(jnp.stack(list(metrics.values()))).all()
        # The losses are known before the optimizer's step on the policy, so this choice is fused
        # into its loop over the weights; one for critics and targets would be a pass of its own.
        agent = stepped._replace(policy=_choose(failed, agent.policy, stepped.policy))
        return (agent, failed), metrics

    # A loop, so that many gradient steps compile as fast as one; a loop of one turn is no loop.
    (agent, failed), losses = jax.lax.scan(gradient_step, (agent, failed), keys)
    metrics = jax.tree.map(lambda loss: loss[-1], losses)
    pruning = program.pruning
    if pruning is not None:
        old = agent.policy
        policy = jax.lax.cond(
            pruning.schedule.is_due(clock),
            lambda: _choose(
                failed, old, old.with_masks(pruning.update(old.masks, old.params, pruned, clock))
            ),
            lambda: old,
        )
        agent = agent._replace(policy=policy)
    return agent, failed, metrics


def _choose(first: Bool[Array, ""], one: Any, other: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(first, a, b), one, other)


def _learn_all(program: Program, members: Members, clock: Int[Array, ""]) -> Members:
    agent, failed, metrics = jax.vmap(functools.partial(learn, program), (0, 0, 0, 0, 0, None))(
        members.agent, members.ring, members.learn_key, members.pruned, members.failed, clock
    )
    tally = members.tally._replace(
        metrics=jax.tree.map(jnp.add, members.tally.metrics, metrics),
        updates=members.tally.updates + 1,
    )
    return members._replace(agent=agent, failed=failed, tally=tally)


def collect_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program that takes n uniformly random steps and learns nothing."""

    def choose(agent: Any, observation: Any, keys: Any, clock: Any) -> Num[Array, "members *a"]:
        return jax.vmap(program.agent.random_action)(keys)

    def iteration(_: Int[Array, ""], population: Population) -> Population:
        members = _interact(program, population.members, population.clock, choose)
        return Population(members, population.clock + 1)

    return _compiled(iteration, mesh)


def refill(program: Program, mesh: Mesh, population: Population) -> Population:
    """The population with its rings filled anew by its policies, the clock as before.

    For a population that was stored without its rings. Its environments start new episodes. As
    many steps are taken as a ring that was never lost would hold; nothing is learned from them
    before all are there, and they count for no metric.
    """
    choose = _explorer(program)

    def step(_: Int[Array, ""], population: Population) -> Population:
        members = _interact(program, population.members, population.clock, choose)
        return Population(members, population.clock + 1)

    def local(population: Population) -> Population:
        members, clock = population
        keys = jax.vmap(jax.random.fold_in, (0, None))(members.evaluation_key, -clock)
        environment, observation = program.environment.reset(keys)
        steps = jnp.minimum(clock, program.replay.capacity)
        start = (clock - steps) % program.replay.capacity

        def place(ring: replay.Ring, observation: Num[Array, "*observation"]) -> replay.Ring:
            rows = jnp.zeros_like(ring.observation).at[start].set(observation)
            return jax.tree.map(jnp.zeros_like, ring)._replace(observation=rows)

        tally = members.tally
        begun = members._replace(
            ring=jax.vmap(place)(members.ring, observation),
            environment=environment,
            tally=tally._replace(running_return=jnp.zeros_like(tally.running_return)),
        )
        filled, _ = jax.lax.fori_loop(0, steps, step, Population(begun, clock - steps))
        kept = tally._replace(running_return=filled.tally.running_return)
        return Population(filled._replace(tally=kept), clock)

    return _sharded(local, mesh)(population)


def _explorer(program: Program) -> Callable[..., Num[Array, "members *action"]]:
    def choose(agent: Any, observation: Any, keys: Any, clock: Any) -> Num[Array, "members *a"]:
        return jax.vmap(program.agent.explore, (0, 0, 0, None))(agent, observation, keys, clock)

    return choose


def train_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program of n iterations; one is `train_frequency` environment steps and an update."""
    choose = _explorer(program)

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

    return _sharded(local, mesh)


def _sharded(local: Callable[..., Population], mesh: Mesh) -> Any:
    """The compiled function of a population, and of scalars, whose members are shared by devices.

    The population goes in and comes out in the same memory.
    """
    specs = Population(P(AXIS), P())  # type: ignore[arg-type]
    scalars = (P(),) * (len(inspect.signature(local).parameters) - 1)
    sharded = jax.shard_map(
        local, mesh=mesh, in_specs=(specs, *scalars), out_specs=specs, check_vma=False
    )
    return jax.jit(sharded, donate_argnums=0)


def fork(population: Population, parents: Int[np.ndarray, " children"], mesh: Mesh) -> Population:
    """A population whose member i is a copy of member `parents[i]`.

    A copy shares its parent's random keys: arms of one seed see the same random numbers, so that
    they can be compared pairwise.
    """
    copy = jax.jit(
        lambda members: jax.tree.map(lambda leaf: leaf[parents], members),
        out_shardings=NamedSharding(mesh, P(AXIS)),
    )
    return Population(copy(population.members), jnp.copy(population.clock))


def with_pruned(
    population: Population, pruned: Int[np.ndarray, "members layers"], mesh: Mesh
) -> Population:
    """The population with the arms' final numbers of dead weights."""
    placed = jax.make_array_from_callback(
        pruned.shape, NamedSharding(mesh, P(AXIS)), lambda index: pruned[index]
    )
    return population._replace(members=population.members._replace(pruned=placed))


def with_empty_tally(population: Population) -> Population:
    """The population after its sums have been read; returns of running episodes stay."""
    tally = population.members.tally
    empty = jax.tree.map(jnp.zeros_like, tally)._replace(running_return=tally.running_return)
    return population._replace(members=population.members._replace(tally=empty))


def with_failures(population: Population) -> Population:
    """The population, with those members marked whose parameters are not finite."""
    agent, failed = population.members.agent, population.members.failed
    return population._replace(members=population.members._replace(failed=_failures(agent, failed)))


@jax.jit
def _failures(agent: Any, failed: Bool[Array, " members"]) -> Bool[Array, " members"]:
    for leaf in jax.tree.leaves(agent):
        failed = failed | ~jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1)
    return failed


def alive_counts(population: Population) -> Int[Array, "members layers"]:
    """Weights alive in each layer of each member's policy."""
    return jax.vmap(mask_rules.alive_counts)(population.members.agent.policy.masks)
