"""Studies in fixed powers of two: exact when resumed, and delivered as they were evaluated."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.artifact.runtime import Actor
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.envs import make
from sparse_rl.networks import variables_of
from sparse_rl.quantization import dot_products
from sparse_rl.runtime.interruption import Interrupted
from sparse_rl.study import training
from sparse_rl.study.preparation import build_agent
from sparse_rl.study.training import train
from tests.study.test_side_by_side import Interrupter


def small(out: Path, **changes: Any) -> Config:
    """TD3, whose target policy follows, with dense weights behind masks."""
    values: dict[str, Any] = {
        "environment": "gymnax/Pendulum-v1",
        "seeds": 2,
        "agent": {"name": "td3"},
        "network": {"hidden": [8, 8]},
        "replay": {"capacity": 60, "batch_size": 4},
        "training": {"steps": 60, "learning_starts": 10},
        "sparsity": {"levels": [0, 0.5], "methods": ["ste"], "interval": 6, "end": 0.7},
        "quantization": {"modes": ["integer"], "fraction": 0.5},
        "evaluation": {"every": 20, "episodes": 2, "final_episodes": 2},
        "checkpoint": {"every": 4, "unit": "steps"},
        "out": str(out),
    }
    return from_mapping(values | changes)


@pytest.mark.slow
def test_it_resumes_to_the_same_bytes_and_delivers_what_it_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(small(tmp_path / "whole"))
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(training, "FIRST_CHUNK", 2)
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(small(out), Interrupter("quantize ste integer"))
    train(small(out, resume=str(out)))
    assert (out / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    for policies in sorted((whole.path / "policies").iterdir()):
        assert (out / "policies" / policies.name).read_bytes() == policies.read_bytes()

    # What is packed acts as the policy that the study evaluated, before tanh to the bit.
    config, environment = whole.config, make(whole.config.environment)
    agent = build_agent(config, environment.spec, dot_products("integer"))
    observations = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32) * 3
    for variant in ("0-integer", "ste-0.5-integer"):
        arrays = whole.trained(variant, 1)
        assert (arrays["hidden_0/largest_input"] > 0).all()
        variables = variables_of(whole.network(), arrays)
        expected = np.asarray(jax.jit(agent.act)(variables, jnp.asarray(observations)))
        actor = Actor(whole.packed(variant, 1), "numpy")
        scale = 2.0  # Pendulum's torque
        np.testing.assert_allclose(actor(observations), scale * expected, rtol=0, atol=1e-6)
