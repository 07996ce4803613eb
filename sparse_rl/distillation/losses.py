"""How far a policy's outputs are from those that it is to learn, as a loss of a batch."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from sparse_rl.agents.distributions import Categorical
from sparse_rl.architecture import ArgMax, Output, Squash

TEMPERATURE = 0.1
"""Of the softmax over values, in units of their mean spread over the actions."""
Outputs = Float[Array, "batch outputs"]
Loss = Callable[[Outputs, Outputs], Float[Array, ""]]
"""From the outputs of a policy, and of the original, to a number."""


def loss_of(output: Output) -> Loss:
    """The loss for what a policy's outputs mean."""
    if isinstance(output, ArgMax):
        return values_loss
    return squashed_loss if isinstance(output, Squash) else clipped_loss


def squashed_loss(outputs: Outputs, wanted: Outputs) -> Float[Array, ""]:
    """Mean Huber loss between tanh(outputs) and tanh(wanted), the actions in [-1, 1]."""
    return optax.huber_loss(jnp.tanh(outputs), jnp.tanh(wanted)).mean()


def clipped_loss(outputs: Outputs, wanted: Outputs) -> Float[Array, ""]:
    """Mean Huber loss between outputs and clip(wanted, -1, 1).

    The outputs are not clipped: beyond the bounds they would have no gradient to come back by.
    """
    return optax.huber_loss(outputs, jnp.clip(wanted, -1, 1)).mean()


def values_loss(outputs: Outputs, wanted: Outputs) -> Float[Array, ""]:
    """KL(softmax(wanted / t) || softmax(outputs / t)), mean over the batch (Rusu et al. 2016).

    arXiv 1511.06295, equation 3. Their t = 0.01 is for values of one scale; here t is `TEMPERATURE`
    times the standard deviation of the original's values over the actions, mean over the batch. So
    what is learned is their order, and by how much, whatever the scale of rewards.
    """
    spread = jnp.maximum(wanted.std(axis=-1).mean(), 1e-6)
    temperature = jax.lax.stop_gradient(TEMPERATURE * spread)
    target, found = Categorical(wanted / temperature), Categorical(outputs / temperature)
    return target.divergence(found).mean()
