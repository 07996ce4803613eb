"""Programs of the pages that play policies of the model zoo, run in a checkout."""

from typing import Any

import numpy as np
import pytest

from tests.docs.blocks import ROOT, blocks


def run(page: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the page's one program leaves."""
    monkeypatch.chdir(ROOT)
    file = ROOT / "docs" / page
    (program,) = (block.text for block in blocks(file) if block.language == "python")
    names: dict[str, Any] = {}
    exec(compile(program, page, "exec"), names)
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
