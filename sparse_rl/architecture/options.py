"""The options of the networks that are built in. Knows no JAX: --help reads it."""

from typing import Literal

from sparse_rl.config.fields import PositiveCount, section
from sparse_rl.config.interfaces import NetworkOptions


@section
class TorsoOptions(NetworkOptions):
    """The policy's network: SAC's actor or the Q network. Critics have such layers of their own."""

    torso: str = "mlp"
    """mlp; minatar (one 3x3 convolution), nature (Mnih et al.), impala (residual)."""
    hidden: tuple[PositiveCount, ...] = (256, 256)
    """Units of the hidden dense layers."""
    activation: Literal["relu", "tanh"] = "relu"
    """After each hidden dense layer."""
    layer_norm: bool = False
    """Layer normalization of hidden dense layers, before the activation; of SAC's critics too."""
    initializer: Literal["uniform", "orthogonal"] = "uniform"
    """uniform is PyTorch's default; orthogonal, with zero biases, is what on-policy agents use."""
    normalize: bool = False
    """Divides observations by their running deviation, after subtracting their running mean."""
