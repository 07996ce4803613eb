"""The largest inputs of a policy's layers, kept beside its parameters where scales are fixed.

They are a collection of the policy's parameters without gradients and without masks, so that
checkpoints, forks, target networks and delivered policies have them; and they follow the
observations that the policy itself meets while it trains in this arithmetic.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from sparse_rl.agents.agent import Agent
from sparse_rl.networks import FlaxNetwork
from sparse_rl.networks.layers import RANGES
from sparse_rl.sparsity import masks as mask_rules


def begun(network: FlaxNetwork, state: Any) -> Any:
    """An agent's state whose policy, `network` with fixed scales, has met nothing yet.

    Whatever has the structure of the policy's parameters has the collection: moments, target
    networks, the dense weights behind masked ones.
    """
    empty = none_yet(network)
    structure: Any = jax.tree.structure(state.policy.params)

    def is_alike(part: Any) -> bool:
        return structure == jax.tree.structure(part)

    extended = jax.tree.map(
        lambda part: {**part, RANGES: empty} if is_alike(part) else part, state, is_leaf=is_alike
    )
    masks = {**state.policy.masks, RANGES: mask_rules.none(empty)}
    return extended._replace(policy=extended.policy._replace(masks=masks))


def observed(
    network: FlaxNetwork,
    agent: Agent,
    state: Any,
    observation: Num[Array, "environments *observation"],
) -> Any:
    """The state after its policy has met these observations; targets have the same ranges."""
    variables = agent.variables(state)
    _, changed = network.apply(variables, observation, mutable=[RANGES])
    structure: Any = jax.tree.structure(state.policy.params)

    def with_ranges(part: Any) -> Any:
        alike = structure == jax.tree.structure(part)
        return {**part, RANGES: changed[RANGES]} if alike else part

    fields = {name: with_ranges(part) for name, part in state._asdict().items()}
    policy = state.policy._replace(
        params=with_ranges(state.policy.params), dense=with_ranges(state.policy.dense)
    )
    return state._replace(**(fields | {"policy": policy}))


def none_yet(network: FlaxNetwork) -> Any:
    """The collection of a network, with fixed scales, whose layers have met nothing."""
    seen = network.network.observation
    observation = jax.ShapeDtypeStruct((1, *seen.shape), jnp.dtype(seen.dtype))
    shapes = jax.eval_shape(network.init, jax.random.key(0), observation)[RANGES]
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
