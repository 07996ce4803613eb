"""Whole packed files to damage: the zoo's, and made-up ones of every operation and arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import synthetic
from sparse_rl.architecture.operations import Clip, Relu, Tanh
from sparse_rl.arithmetics import ARITHMETICS
from sparse_rl.artifact.graph import Dense, Graph, LayerNorm, Normalize, Residual
from sparse_rl.artifact.packed import PackedActor, Provenance, to_bytes
from sparse_rl.artifact.weights import Weights

ROOT = Path(__file__).parents[1]
NAMES = (
    "pendulum/policies", "cartpole/policies", "pendulum_uniform/policies", "pendulum/compressed",
    "stable_baselines3",
)  # fmt: skip


def originals() -> list[bytes]:
    """The zoo's files, and made-up ones of every operation and arithmetic; none is damaged."""
    found = [
        path.read_bytes()
        for name in NAMES
        for path in sorted((ROOT / "results" / name).glob("*.srl"))
    ]
    made = [synthetic.impala_q_network(30, (2, 3, 3), 4, 0.8, kind) for kind in ARITHMETICS]
    made += [synthetic.minatar_q_network(0.95, kind) for kind in ARITHMETICS]
    made += [synthetic.mlp_actor((3, 8, 2), 0.5, kind) for kind in ARITHMETICS]
    about = Provenance("brax/halfcheetah", "0.98-int8", 7, "0123456789ab", 8123.25)
    found += [to_bytes(PackedActor(graph, about)) for graph in [*made, everything()]]
    graph = synthetic.mlp_actor((5, 20, 2), 0.5, "int8")
    seen = synthetic.random_observations(graph, 30)
    static = synthetic.with_static_scales(graph, seen)
    found.append(to_bytes(PackedActor(static, about)))
    return found


def everything() -> Graph:
    """Normalization, layer norm, tanh, a residual body, and clipped actions."""
    base = synthetic.mlp_actor((4, 6, 6, 2), 0.3, "float32")
    draw = np.random.default_rng(0)
    first, second, last = (step for step in base.operations if isinstance(step, Dense))
    mean, scale = draw.random((2, 6), np.float32)
    about = draw.random((2, 4), np.float32)
    ones = Dense(Weights(np.ones((6, 6), np.float32)), mean)
    steps = (
        Normalize(about[0], about[1], 1e-8, 10.0), first, Tanh(), LayerNorm(scale, mean, 1e-5),
        Residual((second, Relu(), ones)), last,
    )  # fmt: skip
    return Graph(base.observation, steps, Clip((-1.0, -2.0), (1.0, 2.0)))
