"""Programs of the pages that play policies of the model zoo, run in a checkout."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sparse_rl
from sparse_rl import load_actor
from tests.docs.blocks import ROOT, blocks


def programs(page: str) -> list[str]:
    return [block.text for block in blocks(ROOT / "docs" / page) if block.language == "python"]


def run(page: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the page's first program leaves."""
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(compile(programs(page)[0], page, "exec"), names)
    return names


def test_the_zoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("zoo.md", monkeypatch)
    assert names["actor"].provenance.environment == "gymnax/Pendulum-v1"
    assert abs(names["actor"]([1.0, 0.0, 0.0])[0]) < 1  # upright and at rest: little to do
    assert "0.98-integer" in capsys.readouterr().out


def test_my_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    names = run("my_policy.md", monkeypatch)
    assert names["action"] in (0, 1)
    assert names["actions"].shape == (2,) and np.isin(names["actions"], (0, 1)).all()


def test_how_far_apart_the_actions_of_two_policies_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's second program, where `compress` leaves what it reads."""
    monkeypatch.chdir(tmp_path)
    for arm, file in (("dense", "actors/original/model.srl"), ("0.9-int8", "delivered/actor.srl")):
        (tmp_path / "small" / file).parent.mkdir(parents=True)
        policies = ROOT / "results" / "pendulum" / "policies"
        shutil.copy(policies / f"{arm}.srl", tmp_path / "small" / file)
    observations = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, -1.0], [-1.0, 0.0, 3.0]], np.float32)
    names: dict[str, Any] = {"observations": observations, "sparse_rl": sparse_rl}
    exec(compile(programs("my_policy.md")[1], "my_policy.md", "exec"), names)
    off = float(capsys.readouterr().out)
    one, other = (load_actor(file, "numpy") for file in sorted(tmp_path.rglob("*.srl")))
    assert off == pytest.approx(max(abs(one(x) - other(x))[0] for x in observations), abs=1e-5)
    assert 0 < off < 4
