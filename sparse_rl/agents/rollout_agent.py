"""What agents without a replay buffer share: a rollout is collected, learned from and forgotten."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num

from sparse_rl.agents.on_policy_options import RolloutOptions
from sparse_rl.memory import replay, rollout
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.memory.rollout import Rollout
from sparse_rl.spaces import Discrete, EnvSpec, Outcome


class RolloutAgent:
    """Functions of `Agent` for a subclass that has `explore`, `learn` and the networks.

    It acts by what it learned from the rollout before, and learns once T = `rollout_steps` steps of
    E environments are there.
    """

    config: RolloutOptions
    environments: int
    spec: EnvSpec

    @property
    def steps(self) -> int:
        return self.config.rollout_steps

    @property
    def memory_steps(self) -> int:
        return rollout.rows(self.steps, self.spec.frame_stack) * self.environments

    @property
    def followers(self) -> dict[str, str]:
        return {}

    def time(self, clock: Int[Array, ""]) -> Int[Array, ""]:
        """Steps of each environment at `clock`."""
        return clock if self.environments == 1 else clock // self.environments

    def explore(
        self,
        state: Any,
        observation: Num[Array, "environments *observation"],
        key: Key[Array, ""],
        clock: Int[Array, ""],
    ) -> tuple[Num[Array, "environments *action"], Any]:
        raise NotImplementedError

    def begin(
        self,
        state: Any,
        observation: Num[Array, "environments *observation"],
        clock: Int[Array, ""],
    ) -> tuple[Any, ReplayBuffer]:
        seen = jnp.zeros((self.environments, *self.spec.policy_shape), self.spec.observation_dtype)
        action, extras = jax.eval_shape(self.explore, state, seen, jax.random.key(0), clock)
        rows = rollout.rows(self.steps, self.spec.frame_stack)
        return state, replay.init(rows, observation, action, extras, self.time(clock))

    def observe(
        self, memory: ReplayBuffer, clock: Int[Array, ""]
    ) -> Num[Array, "environments *observation"]:
        return replay.observe(memory, self.time(clock), self.spec.frame_stack)

    def random_action(self, key: Key[Array, ""]) -> Num[Array, "environments *action"]:
        if isinstance(self.spec.action, Discrete):
            return jax.random.randint(key, (self.environments,), 0, self.spec.action.n)
        shape = (self.environments, len(self.spec.action.low))
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    def remember(
        self,
        state: Any,
        memory: ReplayBuffer,
        clock: Int[Array, ""],
        action: Num[Array, "environments *action"],
        extras: Any,
        outcome: Outcome,
    ) -> tuple[Any, ReplayBuffer]:
        return state, replay.write(memory, self.time(clock), action, outcome, extras)

    def last_steps(self, memory: ReplayBuffer, clock: Int[Array, ""]) -> Rollout:
        """The rollout that ends at `clock`."""
        return rollout.last_steps(memory, self.time(clock), self.steps, self.spec.frame_stack)


def shuffled(
    key: Key[Array, ""], rows: int, epochs: int, batch_size: int
) -> Int[Array, "batches batch"]:
    """Which rows are in each batch: in every epoch each row once, in an order of its own.

    `batch_size` divides `rows`.
    """
    keys = jax.random.split(key, epochs)
    order = jax.vmap(lambda key: permutation(key, rows))(keys)
    return order.reshape(-1, batch_size)


def permutation(key: Key[Array, ""], rows: int) -> Int[Array, " rows"]:
    """The numbers below `rows`, each once, in a random order.

    Random numbers that carry a row in their last b = ceil(log2(rows)) bits are sorted: a CPU needs
    a fifth to a tenth of the time that it needs for pairs of numbers and rows, as
    `jax.random.permutation` sorts them. Rows that draw the same 32 - b bits come in their own
    order, next to each other: only the end of a batch between them could tell.
    """
    width = (rows - 1).bit_length()
    drawn = jax.random.bits(key, (rows,)) >> width << width
    carried = jnp.sort(drawn | jnp.arange(rows, dtype=jnp.uint32))
    return (carried & jnp.uint32((1 << width) - 1)).astype(jnp.int32)
