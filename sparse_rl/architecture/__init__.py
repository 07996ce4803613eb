"""Networks as data: what they read, their operations, heads and output. No arrays and no JAX.

`networks` interprets a `Network` for training, `artifact` binds it to a trained policy's arrays.
"""

from sparse_rl.architecture.interface import (
    check_bounds,
    check_fits,
    observation_of,
    output_of,
    policy_network,
)
from sparse_rl.architecture.network import LARGEST_INPUT, Layer, Network, from_json, layers, to_json
from sparse_rl.architecture.operations import (
    UNIFORM,
    ArgMax,
    Block,
    Clip,
    Convolution,
    Dense,
    Flatten,
    Initializer,
    LayerNorm,
    MaxPool,
    Normalize,
    Observation,
    Operation,
    Output,
    Relu,
    Residual,
    Squash,
    Tanh,
)
from sparse_rl.architecture.shapes import shape_after
from sparse_rl.architecture.torsos import (
    critic_torso,
    dense_layers,
    hidden_initializer,
    hidden_layers,
    initializer_of,
    torso,
)

__all__ = [
    "LARGEST_INPUT",
    "UNIFORM",
    "ArgMax",
    "Block",
    "Clip",
    "Convolution",
    "Dense",
    "Flatten",
    "Initializer",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "Network",
    "Normalize",
    "Observation",
    "Operation",
    "Output",
    "Relu",
    "Residual",
    "Squash",
    "Tanh",
    "check_bounds",
    "check_fits",
    "critic_torso",
    "dense_layers",
    "from_json",
    "hidden_initializer",
    "hidden_layers",
    "initializer_of",
    "layers",
    "observation_of",
    "output_of",
    "policy_network",
    "shape_after",
    "to_json",
    "torso",
]
