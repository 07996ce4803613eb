"""A finished run directory with random weights, for tests of what is done with one."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sparse_rl.architecture import Dense, Network, Observation, Squash, hidden_layers
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.runs.metrics import Row
from sparse_rl.runs.variant import Variant
from sparse_rl.runs.writer import RunWriter

PENDULUM = "gymnax/Pendulum-v1"
NETWORK = Network(
    Observation((3,)),
    hidden_layers((8,)),
    (Dense("mean", 1), Dense("log_std", 1)),
    Squash((-2.0,), (2.0,)),
)


def write(path: Path, returns: Mapping[Variant, tuple[float, ...]]) -> None:
    """SAC's actors in Pendulum, one for each variant and each of its seeds' final returns."""
    (seeds,) = {len(values) for values in returns.values()}
    config = Config(environment=PENDULUM, seeds=seeds, network=TorsoOptions(hidden=(8,)))
    random = np.random.default_rng(0)
    writer = RunWriter(path)
    writer.claim()
    writer.begin(to_yaml(config), "", NETWORK, [], returns)
    for variant, values in returns.items():
        for seed, value in enumerate(values):
            writer.append(
                [
                    Row(9, "final", seed, variant.name, "return", value),
                    # The returns are made up: so wide that no episode contradicts them.
                    Row(9, "final", seed, variant.name, "return_spread", 1e6),
                ]
            )
        params: dict[str, np.ndarray] = {}
        for name, inputs, outputs in (("hidden_0", 3, 8), ("mean", 8, 1), ("log_std", 8, 1)):
            kernel = random.standard_normal((seeds, inputs, outputs)).astype(np.float32)
            params[f"{name}/kernel"] = kernel
            params[f"{name}/bias"] = np.zeros((seeds, outputs), np.float32)
            if variant.arithmetic == "integer":  # of the observation each quantity has its own
                met = (seeds, inputs) if name == "hidden_0" else (seeds,)
                params[f"{name}/largest_input"] = np.full(met, 8.0, np.float32)
        masks = {
            name: np.ones(array.shape, bool)
            for name, array in params.items()
            if name.endswith("kernel")
        }
        writer.save_policies(variant.name, params, masks)
    writer.close()
