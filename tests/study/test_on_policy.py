"""Studies of agents without a replay buffer: exact when resumed, learning, and delivered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.runtime.interruption import Interrupted
from sparse_rl.study import training
from sparse_rl.study.plan import plan
from sparse_rl.study.training import train
from sparse_rl.summary.final_table import random_return
from tests.study.test_side_by_side import Interrupter


def everything(out: Path, **changes: Any) -> Config:
    """Two environments, normalized observations and rewards, pruned values, RigL, int8."""
    values: dict[str, Any] = {
        "environment": "probe/termination?actions=continuous",
        "seeds": 2,
        "agent": {
            "name": "ppo",
            "rollout_steps": 4,
            "batch_size": 4,
            "epochs": 2,
            "normalize_rewards": True,
        },
        "network": {"hidden": [8], "normalize": True, "activation": "tanh"},
        "training": {"steps": 64, "environments": 2},
        "sparsity": {"levels": [0, 0.5], "critic_levels": [0.5, 0], "methods": ["rigl"]}
        | {"interval": 8, "end": 0.7},
        "evaluation": {"every": 16, "episodes": 2, "final_episodes": 2},
        "checkpoint": {"every": 8, "unit": "steps"},
        "out": str(out),
    }
    return from_mapping(values | changes)


def test_it_begins_without_random_steps() -> None:
    phases = plan(everything(Path("x")))
    assert [phase.name for phase in phases if phase.after is None] == ["prune"]
    assert {phase.begin for phase in phases if phase.after is None} == {0}


@pytest.mark.slow
def test_a_study_resumes_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(everything(tmp_path / "whole"))
    assert {"0", "rigl-0.5", "rigl-0.5-critics0.5-int8"} <= set(whole.variants)
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(training, "FIRST_CHUNK", 1)
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(everything(out), Interrupter("prune rigl"))
    train(everything(out, resume=str(out)))
    assert (out / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    # Acting at random is played, once for each seed: there are no random steps that tell it.
    random = whole.metrics[whole.metrics["phase"] == "prefill"].drop_duplicates("seed")
    assert sorted(random["seed"]) == [0, 1] and set(random["metric"]) == {"return"}
    assert random_return(whole.metrics) is not None
    for policies in sorted((whole.path / "policies").iterdir()):
        assert (out / "policies" / policies.name).read_bytes() == policies.read_bytes()
    # What is delivered: the network and the observations' statistics, without the exploration.
    assert set(whole.policies("rigl-0.5-int8").params) == {
        "hidden_0/kernel",
        "hidden_0/bias",
        "mean/kernel",
        "mean/bias",
        "normalize/mean",
        "normalize/variance",
    }
    actor = whole.actor("rigl-0.5-int8", seed=0)
    action, _ = actor.predict(np.full(1, 50.0, np.float32))
    assert np.abs(action).max() <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trpo", "reinforce", "pqn"])
def test_other_agents_studies_resume_to_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight-through masks and integers, which keep most beside the weights; cut short."""
    rollout = {"name": name, "rollout_steps": 4}
    kind = "discrete" if name == "pqn" else "continuous"
    options = {"minibatches": 2} if name == "pqn" else {"batch_size": 4, "value_epochs": 2}

    def of(out: Path, **changes: Any) -> Config:
        sparsity = {"levels": [0, 0.5], "methods": ["ste"], "interval": 8, "end": 0.7}
        return everything(
            out,
            environment=f"probe/termination?actions={kind}",
            agent=rollout | options,
            network={"hidden": [8], "normalize": True, "activation": "relu"},
            sparsity=sparsity if name == "pqn" else sparsity | {"critic_levels": [0.5, 0]},
            quantization={"modes": ["integer"]},
            **changes,
        )

    whole = train(of(tmp_path / "whole"))
    final = whole.metrics[whole.metrics["phase"] == "final"]
    assert {"0", "ste-0.5", "0-integer", "ste-0.5-integer"} <= set(final["variant"])
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(training, "FIRST_CHUNK", 1)
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(of(out), Interrupter("prune ste"))
    train(of(out, resume=str(out)))
    assert (out / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    for policies in sorted((whole.path / "policies").iterdir()):
        assert (out / "policies" / policies.name).read_bytes() == policies.read_bytes()
    kept = whole.policies("ste-0.5")
    for seed in range(2):
        dead = sum(int((kernel[seed] == 0).sum()) for kernel in kernels(kept.params))
        assert dead >= sum(kernel[seed].size for kernel in kernels(kept.params)) // 2 - 1
    assert np.isfinite(
        whole.actor("ste-0.5-integer", seed=0).predict(np.ones(1, np.float32))[0]
    ).all()


def kernels(params: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(array) for name, array in params.items() if name.endswith("kernel")]


@pytest.mark.slow
def test_ppo_learns_dense_and_small(tmp_path: Path) -> None:
    run = train(
        from_mapping(
            {
                "environment": "gymnax/CartPole-v1",
                "seeds": 2,
                "agent": {
                    "name": "ppo",
                    "rollout_steps": 32,
                    "batch_size": 256,
                    "epochs": 10,
                    "learning_rate": 2e-3,
                    "discount": 0.98,
                    "gae_lambda": 0.9,
                },
                "network": {"hidden": [64], "activation": "tanh", "initializer": "orthogonal"},
                "training": {"steps": 40_960, "environments": 8},
                "sparsity": {"levels": [0, 0.8], "distribution": "erk", "interval": 1_024},
                "evaluation": {"every": 20_480, "episodes": 5, "final_episodes": 20},
                "checkpoint": {"every": 0},
                "out": str(tmp_path / "run"),
            }
        )
    )
    # At random an episode lasts 22 steps; the most is 500.
    for variant in ("0", "0.8", "0.8-int8"):
        assert np.mean(list(run.final_returns(variant).values())) > 200
