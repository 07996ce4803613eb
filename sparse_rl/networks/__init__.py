"""Networks for training: Flax modules that interpret `architecture.Network`.

Every multiplication is a dot product given from outside.
"""

from sparse_rl.networks.heads import Critic, GaussianActor, QNetwork, values_of_each
from sparse_rl.networks.interpreter import FlaxNetwork, as_float32
from sparse_rl.networks.variables import arrays_of, variables_of

__all__ = [
    "Critic",
    "FlaxNetwork",
    "GaussianActor",
    "QNetwork",
    "arrays_of",
    "as_float32",
    "values_of_each",
    "variables_of",
]
