"""DQN whose sparsity the data chooses, after EauDeQN (Vincent et al. 2025, arXiv 2503.01437)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from sparse_rl.agents.agent import OF_AGENT, Agent, Learned, beside_learning
from sparse_rl.agents.dqn import DQN, DQNState
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.memory.replay import Batch
from sparse_rl.sparsity.adaptive import Adaptive
from sparse_rl.sparsity.masks import Params
from sparse_rl.sparsity.method import Pruned


class EauDQNState(NamedTuple):
    """What DQN's state has, and who competes with its policy.

    Attributes:
        rivals: stacked on a first axis [K - 1].
        losses: of the policy and of each rival, summed since the target's last turn.
        most_dead: how many weights of each layer may die.
    """

    policy: MaskedNetwork
    target: Params
    statistics: Any
    rivals: MaskedNetwork
    losses: Float[Array, " networks"]
    most_dead: Int[Array, " layers"]


@dataclass(frozen=True)
class EauDQN(DQN):
    """K networks learn from every batch, towards one target; the first of them acts.

    At the target's turn the network with the smallest loss takes the first's place, moments
    included, and the others become pruned copies of it. Of equal losses the first counts: a member
    that may lose nothing is a DQN.
    """

    method: Adaptive

    @classmethod
    def of(cls, agent: Agent, method: Adaptive) -> EauDQN:
        """The same agent, which is a DQN, with rivals, as `method` makes them."""
        assert isinstance(agent, DQN)  # a configuration has no other one beside this method
        return cls(
            **{field.name: getattr(agent, field.name) for field in fields(agent)}, method=method
        )

    def init(self, key: Key[Array, ""]) -> Any:
        """Equal networks: they part at the target's first turn."""
        state = super().init(key)
        layers = len(jax.tree.leaves(state.policy.masks))
        return EauDQNState(
            *state,
            rivals=jax.tree.map(self._stacked, state.policy),
            losses=jnp.zeros(self.method.rivals + 1),
            most_dead=jnp.zeros(layers, jnp.int32),
        )

    def _stacked(self, leaf: Array) -> Array:
        return jnp.repeat(jnp.asarray(leaf)[None], self.method.rivals, axis=0)

    def limited(self, state: EauDQNState, counts: dict[str, Int[Array, " layers"]]) -> EauDQNState:
        """The state of a member that may lose so many weights."""
        return state._replace(most_dead=counts["policy"])

    def settled(self, state: EauDQNState) -> DQNState:
        """The policy by itself, when the competition is over."""
        return DQNState(state.policy, state.target, state.statistics)

    def with_target(self, state: Any, key: Key[Array, ""], clock: Int[Array, ""]) -> Any:
        """The state after the target's turn, at which a network is chosen."""
        drawing = beside_learning(key, clock, OF_AGENT)
        # The clock is not batched over members, so this stays a branch under vmap.
        return jax.lax.cond(
            clock % self.config.target_interval == 0,
            lambda: self.chosen(state, drawing),
            lambda: state,
        )

    def chosen(self, state: EauDQNState, key: Key[Array, ""]) -> EauDQNState:
        """The state after the target's turn."""
        losses = jnp.where(jnp.isnan(state.losses), jnp.inf, state.losses)
        winner = jnp.argmin(losses)

        def place(mine: Array, theirs: Array) -> Array:
            return jnp.where(winner == 0, mine, theirs[winner - 1])

        policy = jax.tree.map(place, state.policy, state.rivals)
        masks = self.method.rival_masks(
            Pruned(policy.masks, policy.params, None, state.most_dead, key)
        )
        rivals = jax.vmap(MaskedNetwork.with_masks, (None, 0))(policy, masks)
        return state._replace(
            policy=policy,
            target=self.nearer(policy, state.target),
            rivals=rivals,
            losses=jnp.zeros_like(state.losses),
        )

    def update(
        self, state: Any, batch: Batch, key: Key[Array, ""], steps_before: Int[Array, ""]
    ) -> Learned:
        """DQN's step for the policy, and the same for every rival towards the same target."""
        learned = super().update(state, batch, key, steps_before)
        target = self.bootstrapped(state, batch)

        def step(rival: MaskedNetwork) -> tuple[MaskedNetwork, Float[Array, ""]]:
            (loss, _), gradients = self.slope(rival.params, state, batch, target)
            return rival.step(self._optimizer, gradients), loss

        rivals, losses = jax.vmap(step)(state.rivals)
        losses = jnp.concatenate([learned.metrics["loss"][None], losses])
        return learned._replace(
            state=learned.state._replace(rivals=rivals, losses=state.losses + losses)
        )
