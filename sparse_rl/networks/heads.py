"""What an agent asks of a network: an action's distribution, the values of actions, a critic.

A head shares its torso's scope, so a layer's parameters are `params/<layer>/kernel`, whichever
torso it stands on.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Shaped

from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.networks.layers import Dense
from sparse_rl.networks.preprocessing import as_float32

LOG_STD_LOW, LOG_STD_HIGH = -20.0, 2.0


class GaussianActor(nn.Module):
    """Mean and log standard deviation of a Gaussian over actions, before any squashing.

    The log standard deviation is clamped to [-20, 2] (Haarnoja et al. 2018, arXiv 1812.05905).
    """

    torso: nn.Module
    action_size: int
    dots: DotProducts = FLOAT32

    def setup(self) -> None:
        nn.share_scope(self, self.torso)
        self.mean = Dense(self.action_size, self.dots.dense)
        self.log_std = Dense(self.action_size, self.dots.dense)

    def __call__(
        self, observation: Shaped[Array, "batch *shape"]
    ) -> tuple[Float[Array, "batch action"], Float[Array, "batch action"]]:
        features = self.torso(observation)
        log_std = jnp.clip(self.log_std(features), LOG_STD_LOW, LOG_STD_HIGH)
        return self.mean(features), log_std


class QNetwork(nn.Module):
    """The value of every action: a torso and one dense layer named `head`."""

    torso: nn.Module
    actions: int
    dots: DotProducts = FLOAT32

    def setup(self) -> None:
        nn.share_scope(self, self.torso)
        self.head = Dense(self.actions, self.dots.dense)

    def __call__(self, observation: Shaped[Array, "batch *shape"]) -> Float[Array, "batch actions"]:
        return self.head(self.torso(observation))


class Critic(nn.Module):
    """The value of one action: observation and action, concatenated, through a torso to `head`."""

    torso: nn.Module
    dots: DotProducts = FLOAT32

    def setup(self) -> None:
        nn.share_scope(self, self.torso)
        self.head = Dense(1, self.dots.dense)

    def __call__(
        self, observation: Shaped[Array, "batch *shape"], action: Float[Array, "batch action"]
    ) -> Float[Array, " batch"]:
        flat = as_float32(observation).reshape(observation.shape[0], -1)
        features = self.torso(jnp.concatenate([flat, action], axis=-1))
        return self.head(features)[:, 0]
