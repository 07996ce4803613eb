"""Torsos by the names that configurations use."""

from collections.abc import Mapping

import flax.linen as nn

from sparse_rl.dot_products import FLOAT32, DotProducts
from sparse_rl.networks.convolutional import MinAtarCNN, NatureCNN
from sparse_rl.networks.impala import ImpalaResNet
from sparse_rl.networks.mlp import MLP

TORSOS: Mapping[str, type[MLP | MinAtarCNN | NatureCNN | ImpalaResNet]] = {
    "mlp": MLP,
    "minatar": MinAtarCNN,
    "nature": NatureCNN,
    "impala": ImpalaResNet,
}


def make_torso(name: str, hidden: tuple[int, ...], dots: DotProducts = FLOAT32) -> nn.Module:
    """The torso called `name`, with dense layers of the sizes `hidden` at its end.

    Raises:
        ValueError: if there is no torso of that name.
    """
    if name not in TORSOS:
        raise ValueError(f"network: found {name!r}, allowed are {', '.join(TORSOS)}")
    return TORSOS[name](hidden=tuple(hidden), dots=dots)
