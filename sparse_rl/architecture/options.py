"""The options of the networks that are built in. Knows no JAX: --help reads it."""

from sparse_rl.config.fields import PositiveCount, section
from sparse_rl.config.interfaces import NetworkOptions


@section
class TorsoOptions(NetworkOptions):
    """The policy's network: SAC's actor or the Q network. SAC's critics have its hidden sizes."""

    torso: str = "mlp"
    """mlp; minatar (one 3x3 convolution), nature (Mnih et al.), impala (residual)."""
    hidden: tuple[PositiveCount, ...] = (256, 256)
    """Units of the hidden dense layers."""
    normalize: bool = False
    """Divides observations by their running deviation, after subtracting their running mean."""
