"""Observations as they are stored, made into what a network computes with."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Shaped


def as_float32(observation: Shaped[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
    """Pixels (uint8) become value / 255, planes (bool) 0 or 1, and float32 stays as it is.

    Raises:
        ValueError: for any other dtype.
    """
    if observation.dtype == jnp.uint8:
        return observation.astype(jnp.float32) / 255.0
    if observation.dtype == jnp.bool_:
        return observation.astype(jnp.float32)
    if observation.dtype == jnp.float32:
        return observation
    raise ValueError(
        f"observation dtype: found {observation.dtype}, allowed are float32, bool and uint8"
    )
