"""A finished run directory with random weights, for tests of what is done with one."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.report.run_directory import COLUMNS

PENDULUM = "gymnax/Pendulum-v1"


def write(path: Path, returns: Mapping[str, tuple[float, ...]]) -> None:
    """SAC's actors in Pendulum, one for each arm and each of its seeds' final returns."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "policies").mkdir()
    (seeds,) = {len(values) for values in returns.values()}
    config = Config(environment=PENDULUM, seeds=seeds, network=TorsoOptions(hidden=(8,)))
    (path / "config.yaml").write_text(to_yaml(config))
    lines = [",".join(COLUMNS)]
    random = np.random.default_rng(0)
    for arm, values in returns.items():
        sparsity, _, kind = arm.partition("-")
        lines += [
            f"9,final,{seed},{sparsity},{kind or 'float32'},return,{value}"
            for seed, value in enumerate(values)
        ]
        arrays: dict[str, np.ndarray] = {}
        for name, inputs, outputs in (("hidden_0", 3, 8), ("mean", 8, 1), ("log_std", 8, 1)):
            kernel = random.standard_normal((seeds, inputs, outputs)).astype(np.float32)
            arrays[f"params/{name}/kernel"] = kernel
            arrays[f"params/{name}/bias"] = np.zeros((seeds, outputs), np.float32)
            arrays[f"masks/{name}/kernel"] = np.ones(kernel.shape, bool)
        save_file(arrays, path / "policies" / f"{arm}.safetensors")
    (path / "metrics.csv").write_text("\n".join(lines) + "\n")
