"""Members in several environments, with all that may be asked for at once: exact, and learning."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.runs.run import Run
from sparse_rl.runtime.interruption import Interrupted
from sparse_rl.study import training
from sparse_rl.study.phases import Phase
from sparse_rl.study.progress.events import Progress
from sparse_rl.study.training import train


def everything(out: Path, **changes: Any) -> Config:
    """Two environments, normalized observations, pruned critics, two methods, int8, in cohorts."""
    values: dict[str, Any] = {
        "environment": "probe/termination?actions=continuous",
        "seeds": 2,
        "network": {"hidden": [8], "normalize": True},
        "replay": {"capacity": 60, "batch_size": 4},
        "training": {"steps": 64, "learning_starts": 12, "environments": 2, "gradient_steps": 2},
        "sparsity": {
            "levels": [0, 0.5],
            "critic_levels": [0, 0.5],
            "methods": ["gradual", "rigl"],
            "interval": 6,
            "end": 0.7,
        },
        "evaluation": {"every": 16, "episodes": 2, "final_episodes": 2},
        "checkpoint": {"every": 4, "unit": "steps"},
        "population": {"cohort": 1},
        "out": str(out),
    }
    return from_mapping(values | changes)


class Interrupter(Progress):
    """Ctrl-C at the second chunk of a phase."""

    def __init__(self, label: str) -> None:
        self.label, self.left = label, 2
        self.noticed = threading.Event()

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        self.left -= phase.label == self.label
        if self.left == 0 and not self.noticed.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            assert self.noticed.wait(60)

    def interrupted(self) -> None:
        self.noticed.set()


KEPT_BEHIND: dict[str, Any] = {
    "seeds": 1,
    "replay": {
        "capacity": 80,
        "batch_size": 4,
        "n_step": 2,
        "n_step_begin": 30,
        "empty_at": [40],
        "empty_after_pruning": True,
        "most_distance": 1e-9,
        "distance_every": 8,
        "least": 64,
    },
    "training": {"steps": 96, "learning_starts": 12, "environments": 2},
    "sparsity": {
        "levels": [0, 0.5],
        "methods": ["gradual", "ste", "lottery"],
        "interval": 6,
        "end": 0.7,
    },
    "quantization": {"modes": []},
}
"""Dense weights behind masks, masks of another method, buffers that forget."""

COMPETING: dict[str, Any] = {
    "environment": "probe/termination?actions=discrete",
    "agent": {"name": "dqn", "target_interval": 8},
    "sparsity": {
        "levels": [0, 0.5],
        "methods": ["gradual", "adaptive"],
        "interval": 6,
        "end": 0.7,
        "adaptive": {"networks": 3, "drop_fraction": 0.9},
    },
    "quantization": {"modes": ["int8"]},
}
"""Networks that compete until one of them goes on alone."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "names", "stops"),
    [
        (
            {},
            ["0", "0.5", "0.5-critics0.5", "rigl-0.5", "rigl-0.5-critics0.5-int8"],
            ["prune rigl"],
        ),
        (
            KEPT_BEHIND,
            ["0", "0.5", "ste-0.5", "lottery-0.5"],
            ["finetune ste", "finetune lottery"],
        ),
        (
            COMPETING,
            ["0", "0.5-int8", "adaptive-0.5", "adaptive-0.5-int8"],
            ["prune adaptive"],
        ),
    ],
    ids=["everything", "kept behind", "competing"],
)
def test_a_study_with_everything_resumes_to_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    names: list[str],
    stops: list[str],
) -> None:
    """Stopped where members keep what those of gradual pruning have not; theirs are stopped in
    every phase in test_training.py."""
    whole = train(everything(tmp_path / "whole", **changes))
    assert set(names) <= set(whole.variants)
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(training, "FIRST_CHUNK", 2)
    out = tmp_path / "run"
    config = everything(out, **changes)
    for label in stops:
        with pytest.raises(Interrupted):
            train(config, Interrupter(label))
        config = everything(out, **changes, resume=str(out))
    train(config)
    assert (out / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    for policies in sorted((whole.path / "policies").iterdir()):
        assert (out / "policies" / policies.name).read_bytes() == policies.read_bytes()


def final(run: Run, variant: str) -> np.ndarray:
    return np.array(list(run.final_returns(variant).values()))


LEARNING: dict[str, Any] = {
    "seeds": 2,
    "network": {"hidden": [64, 64]},
    "quantization": {"modes": []},
    "checkpoint": {"every": 0},
}


@pytest.mark.slow
def test_dqn_learns_in_eight_environments(tmp_path: Path) -> None:
    run = train(
        from_mapping(
            LEARNING
            | {
                "environment": "gymnax/CartPole-v1",
                "agent": {
                    "name": "dqn",
                    "learning_rate": 1e-3,
                    "target_interval": 480,
                    "exploration_fraction": 0.2,
                    "double": True,
                },
                "replay": {"capacity": 40_000, "batch_size": 64, "n_step": 3},
                "training": {
                    "steps": 48_000,
                    "learning_starts": 960,
                    "environments": 8,
                    "gradient_steps": 2,
                },
                "sparsity": {"levels": [0, 0.8], "distribution": "erk", "interval": 480},
                "evaluation": {"every": 24_000, "episodes": 5, "final_episodes": 20},
                "out": str(tmp_path / "run"),
            }
        )
    )
    # At random an episode lasts 22 steps; the most is 500.
    assert final(run, "0").mean() > 150
    assert final(run, "0.8").mean() > 150


@pytest.mark.slow
def test_sac_learns_in_eight_environments(tmp_path: Path) -> None:
    run = train(
        from_mapping(
            LEARNING
            | {
                "environment": "gymnax/Pendulum-v1",
                "agent": {"name": "sac", "learning_rate": 2e-3},
                "replay": {"capacity": 20_000, "batch_size": 64},
                "training": {
                    "steps": 9_600,
                    "learning_starts": 800,
                    "environments": 8,
                    "gradient_steps": 4,
                },
                "sparsity": {"levels": [0, 0.8], "interval": 160},
                "evaluation": {"every": 4_800, "episodes": 5, "final_episodes": 20},
                "out": str(tmp_path / "run"),
            }
        )
    )
    # Swung up and held: about -150; at random about -1,200.
    assert final(run, "0").mean() > -450
    assert final(run, "0.8").mean() > -450
