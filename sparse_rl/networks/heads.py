"""What an agent asks of a network: an action's distribution, the values of actions, a critic."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Shaped

from sparse_rl.architecture import Dense, Network, Observation, Operation
from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.networks.interpreter import as_float32, interpret

LOG_STD_LOW, LOG_STD_HIGH = -20.0, 2.0


class GaussianActor(nn.Module):
    """Mean and log standard deviation of a Gaussian over actions, before any squashing.

    The network has the heads `mean` and `log_std`; the latter is clamped to [-20, 2] (Haarnoja et
    al. 2018, arXiv 1812.05905).
    """

    network: Network
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch *shape"]
    ) -> tuple[Float[Array, "batch action"], Float[Array, "batch action"]]:
        mean, log_std = self.network.heads
        features = _features(self.network, observation, self.dots)
        deviation = interpret((log_std,), features, self.dots)
        clamped = jnp.clip(deviation, LOG_STD_LOW, LOG_STD_HIGH)
        return interpret((mean,), features, self.dots), clamped


class QNetwork(nn.Module):
    """The value of every action: a network with one head, `head`."""

    network: Network
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(self, observation: Shaped[Array, "batch *shape"]) -> Float[Array, "batch actions"]:
        features = _features(self.network, observation, self.dots)
        return interpret(self.network.heads, features, self.dots)


class Critic(nn.Module):
    """The value of one action: observation and action, concatenated, through operations to `head`.

    What stands before the first `Dense`, convolutions and a `Normalize`, is applied to the
    observation alone; the action joins where it ends.
    """

    observation: Observation
    operations: tuple[Operation, ...]
    dots: DotProducts = FLOAT32

    @nn.compact
    def __call__(
        self, observation: Shaped[Array, "batch *shape"], action: Float[Array, "batch action"]
    ) -> Float[Array, " batch"]:
        features = as_float32(observation, self.observation)
        dense = [isinstance(operation, Dense) for operation in self.operations]
        before = dense.index(True) if any(dense) else len(dense)
        features = interpret(self.operations[:before], features, self.dots)
        flat = features.reshape(observation.shape[0], -1)
        features = jnp.concatenate([flat, action], axis=-1)
        features = interpret(self.operations[before:], features, self.dots)
        return interpret((Dense("head", 1),), features, self.dots)[:, 0]


def values_of_each(
    critic: Critic,
    critics: Any,
    observation: Shaped[Array, "batch *shape"],
    action: Float[Array, "batch action"],
) -> Float[Array, "critics batch"]:
    """The values by every one of `critics`, parameters with a leading axis."""
    # An action for each critic, so that each multiplies for itself: with one for all of them XLA
    # makes one wide product and sorts its columns afterwards, which is slower.
    count = jax.tree.leaves(critics)[0].shape[0]
    actions = jnp.broadcast_to(action, (count, *action.shape))
    each: Any = jax.vmap(critic.apply, in_axes=(0, None, 0))
    return each(critics, observation, actions)


def _features(
    network: Network, observation: Shaped[Array, "batch *shape"], dots: DotProducts
) -> Float[Array, "batch features"]:
    """What the heads stand on; called inside a compact module, which owns the layers."""
    values = as_float32(observation, network.observation)
    return interpret(network.operations, values, dots, network.measures)
