"""A2C against its formulas in NumPy."""

import jax
import numpy as np
import optax.tree_utils as otu
import pytest

from tests.agents.on_policy_example import agent_of, clipped, fresh, random_batch, terms
from tests.agents.reference import gradient, leaves, to_float64


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_one_update_agrees_with_the_formulas(kind: str) -> None:
    agent = agent_of("a2c", kind, entropy_coefficient=0.03, gradient_clip=0.4, learning_rate=0.01)
    state, batch = fresh(agent), random_batch(kind)
    learned = jax.jit(agent.update)(state, batch)
    counted = np.asarray(batch.weight) > 0
    advantage, target = (np.asarray(x, np.float64) for x in (batch.advantage, batch.target))
    policy, value = to_float64(state.policy.params), to_float64(state.value.params)

    def loss(policy: dict, value: dict) -> float:
        found = terms(policy, value, batch, kind)
        each = (
            -found.log_prob * advantage + 0.5 * (target - found.value) ** 2 - 0.03 * found.entropy
        )
        return float(each[counted].mean())

    found = learned.metrics
    total = found["policy_loss"] + 0.5 * found["value_loss"] - 0.03 * found["entropy"]
    np.testing.assert_allclose(total, loss(policy, value), rtol=1e-4)
    slopes = gradient(lambda p: loss(p, value), policy), gradient(lambda v: loss(policy, v), value)
    for network, before, wanted in zip(
        (learned.state.policy, learned.state.value),
        (policy, value),
        clipped(*slopes, 0.4),
        strict=True,
    ):
        squares = leaves(jax.device_get(otu.tree_get(network.optimizer, "nu")))
        parameters = leaves(jax.device_get(network.params))
        every = zip(squares, parameters, leaves(before), leaves(wanted), strict=True)
        for square, after, old, slope in every:
            # RMSprop from zero: v = 0.01 g^2, p - rate g / (sqrt(v) + epsilon).
            np.testing.assert_allclose(square, 0.01 * slope**2, rtol=5e-3, atol=1e-8)
            stepped = old - 0.01 * slope / (np.sqrt(0.01 * slope**2) + 1e-5)
            known = np.abs(slope) > 1e-3
            np.testing.assert_allclose(after[known], stepped[known], rtol=2e-3, atol=2e-4)
