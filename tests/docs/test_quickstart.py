"""The quick start, typed as it stands; only the number of steps is smaller."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sparse_rl
from tests.docs.blocks import ROOT, blocks, commands

PAGE = ROOT / "docs" / "quickstart.md"
MODES = ["integer"]
SMALL = {
    "training.steps": 100,
    "training.learning_starts": 20,
    "sparsity.interval": 20,
    "evaluation.every": 100,
    "evaluation.episodes": 2,
    "evaluation.final_episodes": 2,
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands were typed."""
    folder = tmp_path_factory.mktemp("quickstart")
    smaller = ["--quantization.modes", *MODES]
    smaller += [f"--{key}={value}" for key, value in SMALL.items()]
    said = []
    for command in commands(PAGE):
        words = [*command.words, *(smaller if command.name == "train" else [])]
        done = subprocess.run(
            [sys.executable, "-m", f"sparse_rl.{command.name}", *words],
            cwd=folder,
            env=os.environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said.append(command.name)
    assert said == ["train", "report", "export", "evaluate", "render"]
    return folder


@pytest.mark.slow
def test_commands(here: Path) -> None:
    run = here / "runs" / "x"
    page = (run / "report" / "index.html").read_text()
    assert "0.98-integer" in page and "<svg" in page
    delivered = run / "artifacts" / "0.98-integer"
    assert (delivered / "film.gif").read_bytes()[:6] == b"GIF89a"
    assert sparse_rl.load_actor(delivered / "actor.srl").provenance.variant == "0.98-integer"
    assert {"seeds", "return (IQM)", "95 %", "minus dense", "P(better)", "verdict"} <= {
        cell.strip() for cell in (run / "summary.md").read_text().splitlines()[2].split("|")
    }


@pytest.mark.slow
def test_python(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its study is that of the commands, so their run is what it would train (tests/test_launch.py
    has how Python starts one)."""
    load = sparse_rl.load_config

    def load_smaller(name: str, **overrides: Any) -> sparse_rl.Config:
        return load(name, **overrides, **SMALL, **{"quantization.modes": MODES})

    def trained(config: sparse_rl.Config) -> sparse_rl.Run:
        run = sparse_rl.Run("runs/x")
        assert config.digest() == run.config.digest()
        return run

    monkeypatch.chdir(here)
    monkeypatch.setattr(sparse_rl, "load_config", load_smaller, raising=False)
    monkeypatch.setattr(sparse_rl, "train", trained, raising=False)
    (program,) = (block.text for block in blocks(PAGE) if block.language == "python")
    names: dict[str, Any] = {}
    exec(compile(program, str(PAGE), "exec"), names)
    assert list(names["run"].summary().variant) == [
        "0",
        "0.9",
        "0.98",
        "0-integer",
        "0.9-integer",
        "0.98-integer",
    ]
    assert abs(names["actor"]([1.0, 0.0, 0.0])[0]) <= 2.0
