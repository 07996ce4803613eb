"""Masks of all prunable networks of one member: the first ones, and those of every due step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import Array, Int, Key

from sparse_rl.agents.agent import (
    OF_AGENT,
    OF_METHOD,
    Agent,
    Competes,
    DelaysPolicy,
    HasCopies,
    beside_learning,
)
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.method import Method, Pruned, keeps_dense_weights


def masked_fields(agent: Agent, state: Any) -> dict[str, Any]:
    """The fields of an agent's state that change with the masks: networks and their followers."""
    names = (*agent.prunable, *agent.followers)
    return {name: getattr(state, name) for name in names}


def mask_key(learn_key: Key[Array, ""], clock: Int[Array, ""]) -> Key[Array, ""]:
    """A member's key for what its method draws at `clock`."""
    return beside_learning(learn_key, clock, OF_METHOD)


def all_gradients(
    agent: Agent,
    known: Mapping[str, Any],
    state: Any,
    memory: Any,
    learn_key: Key[Array, ""],
    clock: Int[Array, ""],
) -> dict[str, Any]:
    """Dense gradients of all prunable networks: those of the update, and a late policy's own."""
    if not isinstance(agent, DelaysPolicy):
        return dict(known)
    key = beside_learning(learn_key, clock, OF_AGENT)
    return {**known, "policy": agent.policy_gradient(state, memory, key, clock)}


def first_masks(
    agent: Agent,
    method: Method | None,
    state: Any,
    target_counts: dict[str, Int[Array, " layers"]],
    key: Key[Array, ""],
) -> Any:
    """The agent of one member with the masks that its method starts from."""
    if method is None:
        return state
    if isinstance(agent, Competes):
        state = agent.limited(state, target_counts)
    if keeps_dense_weights(method):
        behind = {name: getattr(state, name).with_dense() for name in agent.prunable}
        state = state._replace(**behind)

    def start(name: str) -> Callable[..., Any]:
        return lambda masks, params, key: method.init(params, target_counts[name], key)

    networks = {
        name: (network.masks, network.params)
        for name in agent.prunable
        for network in [getattr(state, name)]
    }
    masked = state._replace(**_with_masks(agent, state, networks, start, key))
    return with_copies_masked(agent, masked)


def with_copies_masked(agent: Agent, state: Any) -> Any:
    """The state before the first step, of one member or of all, whose copies have the masks too."""
    if not isinstance(agent, HasCopies):
        return state
    copies = {
        copy: mask_rules.apply(getattr(state, name).masks, getattr(state, copy))
        for copy, name in agent.copies.items()
    }
    return state._replace(**copies)


def given_masks(agent: Agent, state: Any, masks: Mapping[str, Any]) -> dict[str, Any]:
    """What `masked_fields` are with these masks, of one member or of all."""
    fields = {name: getattr(state, name).with_masks(masks[name]) for name in agent.prunable}
    for follower, name in agent.followers.items():
        fields[follower] = mask_rules.apply(masks[name], getattr(state, follower))
    return fields


def updated_masks(
    agent: Agent,
    method: Method,
    state: Any,
    gradients: Mapping[str, Any],
    target_counts: dict[str, Int[Array, " layers"]],
    key: Key[Array, ""],
    clock: Int[Array, ""],
) -> dict[str, Any]:
    """What `masked_fields` are after the method's step, which is due."""

    def update(name: str) -> Callable[..., Any]:
        def new(masks: Any, params: Any, gradient: Any, key: Key[Array, ""]) -> Any:
            return method.update(Pruned(masks, params, gradient, target_counts[name], key), clock)

        return new

    networks = {
        name: (network.masks, network.weights, gradients.get(name))
        for name in agent.prunable
        for network in [getattr(state, name)]
    }
    return _with_masks(agent, state, networks, update, key)


def _with_masks(
    agent: Agent,
    state: Any,
    arguments: Mapping[str, tuple[Any, ...]],
    rule: Callable[[str], Callable[..., Any]],
    key: Key[Array, ""],
) -> dict[str, Any]:
    """Every prunable network with masks by its rule(*arguments, key), and its followers."""
    masks = {}
    for index, (name, twins) in enumerate(agent.prunable.items()):
        own_key = jax.random.fold_in(key, index)
        new = rule(name)
        if twins:  # stacked networks: each by itself, with a key of its own
            masks[name] = jax.vmap(new)(*arguments[name], jax.random.split(own_key, twins))
        else:
            masks[name] = new(*arguments[name], own_key)
    return given_masks(agent, state, masks)
