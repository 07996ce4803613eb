"""Returns of the deterministic policy: whole episodes, all members and episodes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int, Key, Num, PyTree

from sparse_rl.agents.agent import Agent
from sparse_rl.envs import VectorEnv
from sparse_rl.envs.once import once
from sparse_rl.playing.frames import first_seen, next_seen
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import AXIS
from sparse_rl.sparsity.masks import Params


class Episodes(NamedTuple):
    """Undiscounted return and length of every episode.

    A return is nan where an observation or an action was not finite: what such an episode was paid
    says nothing about a policy.
    """

    returns: Float[Array, "members episodes"]
    lengths: Int[Array, "members episodes"]


class _Rollout(NamedTuple):
    environment: PyTree
    seen: Num[Array, "batch *observation"]
    running: Bool[Array, " batch"]
    returns: Float[Array, " batch"]
    lengths: Int[Array, " batch"]


def run_episodes(
    act: Callable[[Params, Num[Array, "episodes *observation"]], Num[Array, "episodes *action"]],
    environment: VectorEnv,
    variables: Params,
    keys: Key[Array, " members"],
    episodes: int,
) -> Episodes:
    """`episodes` episodes of every member, side by side, until the last one has ended.

    An episode depends on its member's key and its own number only, so the same member meets the
    same episodes alone and among eighty.
    """
    environment = once(environment)
    stack = environment.spec.frame_stack
    members = keys.shape[0]

    def step(rollout: _Rollout) -> _Rollout:
        seen = rollout.seen.reshape(members, episodes, *rollout.seen.shape[1:])
        action = jax.vmap(act)(variables, seen)
        usable = _all_finite(seen) & _all_finite(action)
        action = jnp.where(jnp.isfinite(action), action, 0)  # that any simulator can take
        state, outcome = environment.step(
            rollout.environment, action.reshape(members * episodes, *action.shape[2:])
        )
        returns = rollout.returns + jnp.where(rollout.running, outcome.reward, 0.0)
        return _Rollout(
            environment=state,
            seen=next_seen(rollout.seen, outcome.observation, stack),
            running=rollout.running & ~(outcome.terminated | outcome.truncated),
            returns=jnp.where(rollout.running & ~usable.ravel(), jnp.nan, returns),
            lengths=rollout.lengths + rollout.running,
        )

    episode_keys = jax.vmap(
        lambda key: jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(episodes))
    )(keys)
    state, first = environment.reset(episode_keys.reshape(-1))
    zeros = jnp.zeros(members * episodes)
    start = _Rollout(state, first_seen(first, stack), zeros == 0, zeros, zeros.astype(jnp.int32))
    end = jax.lax.while_loop(lambda rollout: jnp.any(rollout.running), step, start)
    shape = (members, episodes)
    return Episodes(end.returns.reshape(shape), end.lengths.reshape(shape))


def _all_finite(values: Num[Array, "members episodes *shape"]) -> Bool[Array, "members episodes"]:
    return jnp.isfinite(values).reshape(*values.shape[:2], -1).all(axis=2)


def evaluator(
    agent: Agent, environment: VectorEnv, mesh: Mesh, episodes: int
) -> Callable[[Params, Key[Array, " members"], Int[Array, ""]], Episodes]:
    """A compiled function of all members' parameters, keys and the clock.

    The clock is folded into the keys: an evaluation with another one meets other episodes, and all
    arms of a seed with the same one meet the same.
    """

    def local(variables: Params, keys: Key[Array, " members"], clock: Int[Array, ""]) -> Episodes:
        now = jax.vmap(jax.random.fold_in, (0, None))(keys, clock)
        return run_episodes(agent.act, environment, variables, now, episodes)

    return jax.jit(
        jax.shard_map(
            local, mesh=mesh, in_specs=(P(AXIS), P(AXIS), P()), out_specs=P(AXIS), check_vma=False
        )
    )


def inputs(agent: Agent, state: Cohorts) -> tuple[Params, Key[Array, " members"]]:
    """What an evaluator needs of all members: the policies' variables, and keys."""
    variables = jax.vmap(agent.variables)
    parts = [(variables(part.members.agent), part.members.evaluation_key) for part in state.parts]
    if len(parts) == 1:
        return parts[0]
    place = state.parts[0].members.failed.sharding
    together: tuple[Params, Key[Array, " members"]] = jax.tree.map(
        lambda *leaves: jax.device_put(jnp.concatenate(leaves), place), *parts
    )
    return together
