"""Flax's variables and arrays named by their path in the network, there and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import flax.traverse_util
import jax.numpy as jnp
from jax import Array

from sparse_rl.architecture import LARGEST_INPUT, Block, Network, Normalize, Operation, Residual
from sparse_rl.networks.layers import RANGES


def variables_of(network: Network, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of `FlaxNetwork(network)` from arrays named `hidden_0/kernel`, ...

    The mean and variance of a `Normalize` go into the collection "statistics", a layer's largest
    input into "ranges", everything else into "params".
    """
    normalizations = tuple(_normalizations(network.operations, ""))

    def collection(name: str) -> str:
        path, _, leaf = name.rpartition("/")
        if leaf == LARGEST_INPUT:
            return RANGES
        return "statistics" if path in normalizations else "params"

    flat = {
        (collection(name), *name.split("/")): jnp.asarray(array) for name, array in arrays.items()
    }
    return dict(flax.traverse_util.unflatten_dict(flat))


def arrays_of(variables: Mapping[str, Any]) -> dict[str, Array]:
    """All parameters and statistics of Flax's variables by their path in the network."""
    return {
        name: array
        for collection in variables.values()
        for name, array in flax.traverse_util.flatten_dict(collection, sep="/").items()
    }


def _normalizations(operations: tuple[Operation, ...], scope: str) -> Iterator[str]:
    for operation in operations:
        if isinstance(operation, Block | Residual):
            yield from _normalizations(operation.body, f"{scope}{operation.name}/")
        elif isinstance(operation, Normalize):
            yield scope + operation.name
