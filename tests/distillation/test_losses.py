"""Losses against NumPy in float64, and their gradients."""

import jax
import numpy as np
import pytest

from sparse_rl.architecture import ArgMax, Clip, Squash
from sparse_rl.distillation.losses import loss_of

RANDOM = np.random.default_rng(0)
OUTPUTS, WANTED = (2 * RANDOM.standard_normal((7, 4)) for _ in range(2))


def huber(error):
    return np.where(np.abs(error) <= 1, error**2 / 2, np.abs(error) - 0.5)


def by_hand(output, found, wanted):
    if isinstance(output, Squash):
        return huber(np.tanh(found) - np.tanh(wanted)).mean()
    if isinstance(output, Clip):
        return huber(found - np.clip(wanted, -1, 1)).mean()
    temperature = 0.1 * wanted.std(axis=1).mean()

    def log_softmax(x):
        x = x / temperature
        return (
            x
            - np.log(np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True))
            - x.max(1, keepdims=True)
        )

    p, q = log_softmax(wanted), log_softmax(found)
    return (np.exp(p) * (p - q)).sum(1).mean()


@pytest.mark.parametrize("output", [Squash((-1.0,), (1.0,)), Clip((-1.0,), (1.0,)), ArgMax()])
def test_loss_and_gradient(output):
    loss = loss_of(output)
    value, gradient = jax.value_and_grad(loss)(
        OUTPUTS.astype(np.float32), WANTED.astype(np.float32)
    )
    np.testing.assert_allclose(value, by_hand(output, OUTPUTS, WANTED), rtol=1e-5)
    step = 1e-5
    for place in [(0, 0), (3, 2), (6, 3)]:
        more, less = OUTPUTS.copy(), OUTPUTS.copy()
        more[place] += step
        less[place] -= step
        slope = (by_hand(output, more, WANTED) - by_hand(output, less, WANTED)) / (2 * step)
        np.testing.assert_allclose(gradient[place], slope, rtol=1e-3, atol=1e-6)


def test_values_of_another_scale_are_learned_alike():
    """Rewards in cents: the same loss, since only order and proportion of values count."""
    loss = loss_of(ArgMax())
    one = loss(OUTPUTS.astype(np.float32), WANTED.astype(np.float32))
    hundred = loss((100 * OUTPUTS).astype(np.float32), (100 * WANTED).astype(np.float32))
    np.testing.assert_allclose(one, hundred, rtol=1e-4)
