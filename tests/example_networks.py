"""Networks for tests, by torso and shapes, without an environment."""

import numpy as np

from sparse_rl.architecture import Network, policy_network
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.spaces import Continuous, Discrete, EnvSpec


def gaussian(inputs: int, actions: int, hidden: tuple[int, ...]) -> Network:
    """An MLP with the heads mean and log_std, actions in [-1, 1]."""
    space = Continuous((-1.0,) * actions, (1.0,) * actions)
    spec = EnvSpec("states", (inputs,), np.dtype(np.float32), space, 1000)
    return policy_network(TorsoOptions("mlp", hidden), spec)


def q_values(
    torso: str, shape: tuple[int, ...], dtype: str, actions: int, hidden: tuple[int, ...]
) -> Network:
    """Any torso with the head of a Q network."""
    spec = EnvSpec("planes", shape, np.dtype(dtype), Discrete(actions), 1000)
    return policy_network(TorsoOptions(torso, hidden), spec)
