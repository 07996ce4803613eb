"""One chunk of training of all members: environment steps, updates, masks where they are due."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, Key, Num

from sparse_rl.agents.agent import Metrics
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.kept import kept
from sparse_rl.population.masking import all_gradients, mask_key, masked_fields, updated_masks
from sparse_rl.population.members import (
    EpisodeStatistics,
    Members,
    Population,
    Program,
    as_batch,
    by_member,
    reset,
    sharded,
)
from sparse_rl.population.ranges import observed

Chosen = tuple[Num[Array, "members environments *action"], Any]
"""Actions, and what else an agent is to remember of them."""


class Chunk(Protocol):
    """A compiled program: a population and a number of iterations to the population after them."""

    def __call__(self, population: Population, iterations: int | np.int32) -> Population: ...
    def lower(self, population: Population, iterations: np.int32) -> Any: ...


def _interact(
    program: Program,
    members: Members,
    clock: Int[Array, ""],
    choose: Callable[..., Chosen],
) -> Members:
    """One step of every environment of every member, kept in its memory."""
    agent = program.agent
    keys = jax.vmap(jax.random.fold_in, (0, None))(members.act_key, clock)
    observation = jax.vmap(agent.observe, (0, None))(members.memory, clock)
    action, extras = choose(members.agent, observation, keys, clock)
    action, unusable = _finite(action)
    state = members.agent
    if program.fixed_scales is not None:
        state = jax.vmap(functools.partial(observed, program.fixed_scales, agent))(
            state, observation
        )
    environment, outcome = by_member(
        program.environment.step(as_batch(members.environment), as_batch(action)),
        agent.environments,
    )
    state, memory = jax.vmap(agent.remember, (0, 0, None, 0, 0, 0))(
        state, members.memory, clock, action, extras, outcome
    )
    return members._replace(
        agent=state,
        memory=memory,
        environment=environment,
        failed=members.failed | unusable,
        statistics=_count_rewards(
            members.statistics, outcome.reward, outcome.terminated | outcome.truncated
        ),
    )


def _finite(
    action: Num[Array, "members environments *action"],
) -> tuple[Num[Array, "members environments *action"], Bool[Array, " members"]]:
    """Actions that any simulator can take, and for which members they had to be made so."""
    usable = jnp.isfinite(action)
    every = usable.reshape(action.shape[0], -1).all(axis=1)
    return jnp.where(usable, action, 0), ~every


def _count_rewards(
    statistics: EpisodeStatistics,
    reward: Float[Array, "members environments"],
    ended: Bool[Array, "members environments"],
) -> EpisodeStatistics:
    total = statistics.running_return + reward
    finished = jnp.where(ended, total, 0.0).sum(axis=1)
    return statistics._replace(
        running_return=jnp.where(ended, 0.0, total),
        finished_return=statistics.finished_return + finished,
        episodes=statistics.episodes + ended.sum(axis=1, dtype=jnp.int32),
    )


def learn(
    program: Program,
    state: Any,
    memory: Any,
    key: Key[Array, ""],
    target_counts: dict[str, Int[Array, " layers"]],
    failed: Bool[Array, ""],
    clock: Int[Array, ""],
) -> tuple[Any, Bool[Array, ""], Metrics]:
    """The update of one member: gradient steps, then the masks where they are due.

    Meant for `vmap` with an unbatched clock: then the masks' selection runs only when it is due.
    """
    learned = program.agent.learn(state, memory, key, clock)
    failed = failed | ~jnp.isfinite(jnp.stack(list(learned.metrics.values()))).all()
    policy = _unless_failed(failed, state.policy, learned.state.policy)
    state = learned.state._replace(policy=policy)
    method = program.method
    if method is not None:

        def with_new_masks() -> dict[str, Any]:
            gradients = {}
            if method.needs_gradients:
                gradients = all_gradients(
                    program.agent, learned.gradients, state, memory, key, clock
                )
            fields = updated_masks(
                program.agent,
                method,
                state,
                gradients,
                target_counts,
                mask_key(key, clock),
                clock,
            )
            return fields | {"policy": _unless_failed(failed, state.policy, fields["policy"])}

        fields = jax.lax.cond(
            method.is_due(clock), with_new_masks, lambda: masked_fields(program.agent, state)
        )
        state = state._replace(**fields)
    return state, failed, learned.metrics


def _unless_failed(
    failed: Bool[Array, ""], before: MaskedNetwork, after: MaskedNetwork
) -> MaskedNetwork:
    """The network after an update, or the weights before it where the member has failed.

    The losses are known before the optimizer's step on the policy, so this choice is fused into its
    loop over the weights; one for critics and targets would be a pass of its own. Moments go on:
    nobody reads those of a failed member again, and a choice of theirs would hide from XLA that
    they are stored, so that the weights' loop would compute them once more and read twice as much.
    """
    weights = jax.tree.map(
        lambda old, new: jnp.where(failed, old, new),
        before._replace(optimizer=()),
        after._replace(optimizer=()),
    )
    return weights._replace(optimizer=after.optimizer)


def _learn_all(program: Program, members: Members, clock: Int[Array, ""]) -> Members:
    update = jax.vmap(functools.partial(learn, program), (0, 0, 0, 0, 0, None))
    state, failed, metrics = update(
        members.agent,
        members.memory,
        members.learn_key,
        members.target_counts,
        members.failed,
        clock,
    )
    statistics = members.statistics._replace(
        metrics=jax.tree.map(jnp.add, members.statistics.metrics, metrics),
        updates=members.statistics.updates + 1,
    )
    return members._replace(agent=state, failed=failed, statistics=statistics)


def _steps(program: Program, choose: Callable[..., Chosen]) -> Callable[..., Population]:
    """One step of all environments, as the body of a loop."""

    def step(_: Int[Array, ""], population: Population) -> Population:
        members = _interact(program, population.members, population.clock, choose)
        return Population(members, population.clock + program.agent.environments)

    return step


def collect_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program that takes n uniformly random steps and learns nothing."""

    def choose(state: Any, observation: Any, keys: Any, clock: Any) -> Chosen:
        # What an agent remembers beside its actions has the shapes of its own choice.
        _, extras = jax.eval_shape(_explorer(program), state, observation, keys, clock)
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), extras)
        return jax.vmap(program.agent.random_action)(keys), nothing

    return _compiled(_steps(program, choose), mesh)


def refill(program: Program, mesh: Mesh, population: Population) -> Population:
    """The population with its memory filled anew by its policies, the clock as before.

    For a population that was stored without its memory. Its environments start new episodes. As
    many steps are taken as a memory that was never lost would hold. Agents stay as they are: these
    steps count for no metric, and for no statistics or ranges of observations, which have had as
    many in the place of these.
    """
    filled: Population = _refilling(program, mesh)(population)
    return filled


@kept(4)
def _refilling(program: Program, mesh: Mesh) -> Any:
    agent = program.agent
    step = _steps(program, _explorer(program))

    def local(population: Population) -> Population:
        members, clock = population

        def act(index: Int[Array, ""], population: Population) -> Population:
            moved = step(index, population)
            return moved._replace(members=moved.members._replace(agent=members.agent))

        keys = jax.vmap(jax.random.fold_in, (0, None))(members.evaluation_key, -clock)
        environment, observation = reset(program, keys)
        steps = jnp.minimum(clock, agent.memory_steps) // agent.environments
        start = clock - steps * agent.environments
        _, memory = jax.vmap(agent.begin, (0, 0, None))(members.agent, observation, start)
        statistics = members.statistics
        begun = members._replace(
            memory=memory,
            environment=environment,
            statistics=statistics._replace(
                running_return=jnp.zeros_like(statistics.running_return)
            ),
        )
        filled, _ = jax.lax.fori_loop(0, steps, act, Population(begun, start))
        kept = statistics._replace(running_return=filled.statistics.running_return)
        return Population(filled._replace(statistics=kept), clock)

    return sharded(local, mesh)


def _explorer(program: Program) -> Callable[..., Chosen]:
    def choose(state: Any, observation: Any, keys: Any, clock: Any) -> Chosen:
        return jax.vmap(program.agent.explore, (0, 0, 0, None))(state, observation, keys, clock)

    return choose


def act_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program that takes n steps as training does and learns nothing."""
    return _compiled(_steps(program, _explorer(program)), mesh)


def train_chunk(program: Program, mesh: Mesh) -> Chunk:
    """The program of n iterations; one is `agent.steps` steps and an update."""
    step = _steps(program, _explorer(program))

    def iteration(index: Int[Array, ""], population: Population) -> Population:
        steps = program.agent.steps
        if steps == 1:
            population = step(index, population)
        else:
            population = jax.lax.fori_loop(0, steps, step, population)
        members = _learn_all(program, population.members, population.clock)
        return population._replace(members=members)

    return _compiled(iteration, mesh)


def _compiled(iteration: Callable[[Any, Population], Population], mesh: Mesh) -> Chunk:
    """One program for any number of iterations, so that a phase compiles once."""

    def local(population: Population, iterations: Int[Array, ""]) -> Population:
        return jax.lax.fori_loop(0, iterations, iteration, population)

    compiled: Chunk = sharded(local, mesh)
    return compiled
