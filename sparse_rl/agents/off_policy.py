"""What agents with a replay buffer share: collecting into it, and learning from batches of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num

from sparse_rl.agents import normalization
from sparse_rl.agents.agent import Learned, Metrics
from sparse_rl.agents.normalization import RunningStatistics
from sparse_rl.config.experiment import Config
from sparse_rl.memory import replay, window
from sparse_rl.memory.replay import Batch, ReplayBuffer
from sparse_rl.memory.window import Shrinking
from sparse_rl.spaces import EnvSpec, Outcome
from sparse_rl.sparsity.masks import Params


@dataclass(frozen=True)
class Rhythm:
    """How an off-policy agent collects and samples.

    Attributes:
        environments: E, side by side.
        steps: steps of each of them between updates.
        gradient_steps: gradient steps of one update.
        capacity: steps, of all environments together, that the buffer holds.
        batch_size: transitions of one gradient step.
        n_step: rewards summed before a target bootstraps.
        discount: of the return.
        frame_stack: frames that the policy sees at once.
        normalize: whether observations are normalized by their running mean and variance.
        n_step_begin: the step from which `n_step` rewards are summed; 1 before it.
        emptied: steps at which all but the last batch of steps is forgotten.
        shrinking: how members forget what their policies have moved away from, if they do.
    """

    environments: int
    steps: int
    gradient_steps: int
    capacity: int
    batch_size: int
    n_step: int
    discount: float
    frame_stack: int
    normalize: bool
    n_step_begin: int = 0
    emptied: tuple[int, ...] = ()
    shrinking: Shrinking | None = None

    @classmethod
    def of(cls, config: Config, spec: EnvSpec) -> Rhythm:
        """As `training`, `replay` and `network` of a configuration say.

        Raises `ConfigError` where observations of this kind are not normalized.
        """
        normalization.check(config, spec)
        return cls(
            environments=config.training.environments,
            steps=config.training.train_frequency,
            gradient_steps=config.training.gradient_steps,
            capacity=config.replay.capacity,
            batch_size=config.replay.batch_size,
            n_step=config.replay.n_step,
            discount=config.agent.discount,
            frame_stack=spec.frame_stack,
            normalize=config.network.normalize,
            n_step_begin=config.replay.n_step_begin,
            emptied=config.replay.empty_at
            + ((config.prune_end,) if config.replay.empty_after_pruning else ()),
            shrinking=_shrinking(config),
        )

    @property
    def rows(self) -> int:
        """Rows of the buffer, each a step of all environments."""
        return self.capacity // self.environments


def _shrinking(config: Config) -> Shrinking | None:
    options, starts = config.replay, config.training.learning_starts
    if options.most_distance == 0:
        return None
    return Shrinking(
        options.most_distance, options.distance_every, options.least, options.batch_size, starts
    )


class OffPolicy:
    """Functions of `Agent` for a subclass that has `rhythm`, `random_action` and `update`.

    Its state has a field `policy`, and a field `statistics` of the observations.
    """

    rhythm: Rhythm

    def random_action(self, key: Key[Array, ""]) -> Num[Array, "environments *action"]:
        raise NotImplementedError

    def update(
        self, state: Any, batch: Batch, key: Key[Array, ""], steps_before: Int[Array, ""]
    ) -> Learned:
        """One gradient step on every network, after so many others."""
        raise NotImplementedError

    @property
    def environments(self) -> int:
        return self.rhythm.environments

    @property
    def steps(self) -> int:
        return self.rhythm.steps

    @property
    def memory_steps(self) -> int:
        return self.rhythm.rows * self.rhythm.environments

    @property
    def prunable(self) -> dict[str, int]:
        return {"policy": 0}

    @property
    def with_gradients(self) -> Iterable[str]:
        """Those of `prunable` of which `update` gives the dense gradients."""
        return self.prunable

    @property
    def followers(self) -> dict[str, str]:
        return {}

    def time(self, clock: Int[Array, ""]) -> Int[Array, ""]:
        """Steps of each environment at `clock`."""
        return clock if self.environments == 1 else clock // self.environments

    def fresh_statistics(self, observation: jax.ShapeDtypeStruct) -> RunningStatistics | tuple[()]:
        """The state's `statistics` before any observation; empty where they are not wanted."""
        return normalization.init(observation.shape) if self.rhythm.normalize else ()

    def begin(
        self,
        state: Any,
        observation: Num[Array, "environments *observation"],
        clock: Int[Array, ""],
    ) -> tuple[Any, ReplayBuffer]:
        action = jax.eval_shape(self.random_action, jax.random.key(0))
        dynamic = self.rhythm.shrinking is not None
        extras = action if dynamic else ()
        buffer = replay.init(self.rhythm.rows, observation, action, extras, self.time(clock))
        if dynamic:
            buffer = buffer._replace(oldest=jnp.int32(0))
        return self._counted(state, observation), buffer

    def observe(
        self, memory: ReplayBuffer, clock: Int[Array, ""]
    ) -> Num[Array, "environments *observation"]:
        return replay.observe(memory, self.time(clock), self.rhythm.frame_stack)

    def intended(
        self, state: Any, observation: Num[Array, "environments *observation"]
    ) -> Num[Array, "environments *action"] | tuple[()]:
        """What `explore` says beside its action: the policy's own, where memories shrink by it.

        Not asked for in `remember`: a memory that is read again in the step in which it is written
        would be copied.
        """
        if self.rhythm.shrinking is None:
            return ()
        return self.act(self.variables(state), observation)

    def remember(
        self,
        state: Any,
        memory: ReplayBuffer,
        clock: Int[Array, ""],
        action: Num[Array, "environments *action"],
        extras: Any,
        outcome: Outcome,
    ) -> tuple[Any, ReplayBuffer]:
        rule = self.rhythm.shrinking
        if rule is None:
            state = self._counted(state, outcome.observation)
            return state, replay.write(memory, self.time(clock), action, outcome, extras)
        intended = jnp.where(clock < rule.starts, action, extras)
        state = self._counted(state, outcome.observation)
        memory = replay.write(memory, self.time(clock), action, outcome, intended)
        return state, self._shrunk(state, memory, clock + self.environments, rule)

    def _shrunk(
        self, state: Any, memory: ReplayBuffer, clock: Int[Array, ""], rule: Shrinking
    ) -> ReplayBuffer:
        """The memory after the look that is due at `clock`, if one is."""
        variables, stack = self.variables(state), self.rhythm.frame_stack

        def act(observation: Num[Array, "environments *observation"]) -> Any:
            return self.act(variables, observation)

        # The clock is not batched over members, so this stays a branch under vmap.
        return jax.lax.cond(
            clock % rule.every == 0,
            lambda: window.shrunk(memory, self.time(clock), rule, memory.extras, act, stack),
            lambda: memory,
        )

    def act(
        self, variables: Params, observation: Num[Array, "batch *observation"]
    ) -> Num[Array, "batch *action"]:
        raise NotImplementedError

    def learn(
        self, state: Any, memory: ReplayBuffer, key: Key[Array, ""], clock: Int[Array, ""]
    ) -> Learned:
        """`gradient_steps` times: a batch, then one step on every network."""
        count = self.rhythm.gradient_steps
        keys = jax.random.split(jax.random.fold_in(key, clock), count)
        before = (self.time(clock) // self.steps - 1) * count + jnp.arange(count)

        def gradient_step(
            carry: Any, step: tuple[Key[Array, ""], Int[Array, ""]]
        ) -> tuple[Any, Metrics]:
            step_key, steps_before = step
            sample_key, update_key = jax.random.split(step_key)
            batch = self.sample(memory, sample_key, clock)
            learned = self.update(carry[0], batch, update_key, steps_before)
            return (learned.state, learned.gradients), learned.metrics

        # A loop, so that many gradient steps compile as fast as one; a loop of one turn is no loop.
        networks = {name: getattr(state, name).params for name in self.with_gradients}
        first = (state, jax.tree.map(jnp.zeros_like, networks))
        (state, gradients), metrics = jax.lax.scan(gradient_step, first, (keys, before))
        return Learned(state, jax.tree.map(lambda metric: metric[-1], metrics), gradients)

    def sample(self, memory: ReplayBuffer, key: Key[Array, ""], clock: Int[Array, ""]) -> Batch:
        """A batch of transitions, their observations as they were made."""
        rhythm, time = self.rhythm, self.time(clock)
        emptied = [-(-step // rhythm.environments) for step in rhythm.emptied]
        least = max(-(-rhythm.batch_size // rhythm.environments), rhythm.n_step)
        return replay.sample(
            memory,
            key,
            time,
            rhythm.batch_size,
            rhythm.discount,
            rhythm.n_step,
            rhythm.frame_stack,
            rewards=window.rewards_now(clock, rhythm.n_step, rhythm.n_step_begin),
            since=window.oldest_kept(time, emptied, least),
        )

    def variables(self, state: Any) -> Params:
        return normalization.variables(state.policy.params, state.statistics)

    def _counted(self, state: Any, observation: Num[Array, "environments *observation"]) -> Any:
        if not self.rhythm.normalize:
            return state
        return state._replace(statistics=normalization.update(state.statistics, observation))
