"""Networks whose every multiplication is a dot product given from outside."""

from sparse_rl.dot_products import FLOAT32, DotGeneral, DotProducts
from sparse_rl.networks.convolutional import MinAtarCNN, NatureCNN
from sparse_rl.networks.heads import Critic, GaussianActor, QNetwork
from sparse_rl.networks.impala import ImpalaResNet
from sparse_rl.networks.layers import Convolution, Dense, extract_patches, max_pool
from sparse_rl.networks.mlp import MLP
from sparse_rl.networks.preprocessing import as_float32
from sparse_rl.networks.torsos import TORSOS, make_torso

__all__ = [
    "FLOAT32",
    "MLP",
    "TORSOS",
    "Convolution",
    "Critic",
    "Dense",
    "DotGeneral",
    "DotProducts",
    "GaussianActor",
    "ImpalaResNet",
    "MinAtarCNN",
    "NatureCNN",
    "QNetwork",
    "as_float32",
    "extract_patches",
    "make_torso",
    "max_pool",
]
