"""Largest inputs beside a policy's parameters: where they are, and what they follow."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.networks import FlaxNetwork
from sparse_rl.networks.layers import RANGES
from sparse_rl.population.ranges import begun, observed
from sparse_rl.quantization import dot_products
from sparse_rl.spaces import Continuous, Discrete, EnvSpec
from sparse_rl.study.preparation import build_agent

SPECS = {
    "dqn": EnvSpec("made-up", (3,), np.dtype(np.float32), Discrete(2), 50),
    "sac": EnvSpec("made-up", (3,), np.dtype(np.float32), Continuous((-1.0,), (1.0,)), 50),
    "td3": EnvSpec("made-up", (3,), np.dtype(np.float32), Continuous((-1.0,), (1.0,)), 50),
    "ppo": EnvSpec("made-up", (3,), np.dtype(np.float32), Continuous((-1.0,), (1.0,)), 50),
}


def member(name: str, **settings: float) -> tuple[Any, FlaxNetwork, Any]:
    """(agent, network, state) as at the beginning of training with fixed scales."""
    values = {"environment": "gymnax/Pendulum-v1", "network": {"hidden": [4]}}
    config = from_mapping(values | {"agent": {"name": name, **settings}})
    dots = dot_products("integer")
    agent = build_agent(config, SPECS[name], dots)
    network = FlaxNetwork(agent.policy_network, dots)
    return agent, network, agent.init(jax.random.key(0))


@pytest.mark.parametrize("name", SPECS)
def test_parameters_moments_and_targets_have_them_and_masks_have_none(name: str) -> None:
    _, network, before = member(name)
    state = begun(network, before)
    layers = set(before.policy.params["params"])
    assert set(state.policy.params[RANGES]) == layers
    assert set(state.policy.params) == {*before.policy.params, RANGES}
    for old, new in zip(
        jax.tree.leaves(before.policy.params["params"]),
        jax.tree.leaves(state.policy.params["params"]),
        strict=True,
    ):
        np.testing.assert_array_equal(old, new)
    assert not jax.tree.leaves(state.policy.masks[RANGES])
    added = len(jax.tree.leaves(state.policy.optimizer)) - len(
        jax.tree.leaves(before.policy.optimizer)
    )
    assert added == 2 * len(layers)  # Adam's first and second moments
    for target in ("target", "target_policy"):
        if hasattr(state, target):
            assert RANGES in getattr(state, target)


@pytest.mark.parametrize("name", SPECS)
def test_they_follow_the_observations_in_policy_and_targets_alone(name: str) -> None:
    agent, network, before = member(name)
    state = begun(network, before)
    seen = np.array([[1.0, -7.0, 0.5], [2.0, 3.0, -0.5]], np.float32)
    state = observed(network, agent, observed(network, agent, state, seen), seen / 2)
    first = "hidden_0"
    found = state.policy.params[RANGES][first]["largest_input"]
    np.testing.assert_allclose(found, [2.0, 7.0, 0.5], rtol=2e-4)
    for target in ("target", "target_policy"):
        if hasattr(state, target):
            followed = getattr(state, target)[RANGES][first]["largest_input"]
            np.testing.assert_array_equal(followed, found)
    moments = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.policy.optimizer)
        if RANGES in str(path)
    ]
    assert moments and not any(leaf.any() for leaf in moments)


@pytest.mark.parametrize("name", SPECS)
def test_no_gradient_reaches_them(name: str) -> None:
    agent, network, before = member(name)
    state = begun(network, before)
    seen = np.ones((2, 3), np.float32)
    state = observed(network, agent, state, seen)

    def outputs(params: Any) -> Any:
        given = agent.variables(state._replace(policy=state.policy._replace(params=params)))
        made = network.apply(given, jnp.asarray(seen))
        return sum(value.sum() for value in made.values())

    gradients = jax.grad(outputs)(state.policy.params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradients[RANGES]))
    assert any(leaf.any() for leaf in jax.tree.leaves(gradients["params"]))


@pytest.mark.parametrize("name", ["dqn", "sac", "td3"])
def test_no_weight_decay_reaches_them(name: str) -> None:
    """Adam makes a whole step of the smallest gradient, and a decay is one."""
    agent, network, before = member(name, weight_decay=1e-5)
    observation = jnp.array([[0.5, -3.0, 0.02]])
    state = observed(network, agent, begun(network, before), observation)
    nothing = jax.tree.map(jnp.zeros_like, state.policy.params)
    after = state.policy.step(agent._optimizer, nothing)
    for old, new in zip(
        jax.tree.leaves(state.policy.params[RANGES]),
        jax.tree.leaves(after.params[RANGES]),
        strict=True,
    ):
        np.testing.assert_array_equal(old, new)
    kernel = ("params", "hidden_0", "kernel")
    assert not np.array_equal(_at(after.params, kernel), _at(state.policy.params, kernel))


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree
