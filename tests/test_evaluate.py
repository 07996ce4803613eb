"""The return of an exported actor, and what is said where it fails."""

from pathlib import Path

import numpy as np
import pytest

from sparse_rl import evaluate
from sparse_rl.architecture.operations import Observation, Squash
from sparse_rl.artifact.graph import Dense, Graph
from sparse_rl.artifact.packed import PackedActor, save
from sparse_rl.artifact.weights import Weights
from sparse_rl.runtime import compilation_cache


def test_episodes_with_a_number_that_is_not_finite_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compilation_cache, "use", lambda _: None)  # the tests have their own
    # Of a speed above 1.2, which a pendulum soon has, the output is too large for a float32.
    kernel = np.array([[0.0], [0.0], [3e38]], np.float32)
    layer = Dense(Weights(kernel), np.zeros(1, np.float32))
    graph = Graph(Observation((3,)), (layer,), Squash((-2.0,), (2.0,)))
    save(tmp_path / "actor.srl", PackedActor(graph))
    evaluate.main(tmp_path / "actor.srl", "gymnax/Pendulum-v1", episodes=3, backend="numpy")
    assert "failed: 3 of 3 episodes" in capsys.readouterr().out


def test_one_episode_has_no_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compilation_cache, "use", lambda _: None)
    layer = Dense(Weights(np.zeros((3, 1), np.float32)), np.zeros(1, np.float32))
    graph = Graph(Observation((3,)), (layer,), Squash((-2.0,), (2.0,)))
    save(tmp_path / "actor.srl", PackedActor(graph))
    evaluate.main(tmp_path / "actor.srl", "gymnax/Pendulum-v1", episodes=1, backend="numpy")
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("numpy, 1 episode")
    assert "nan" not in second and float(second.removeprefix("return ")) < 0
