"""What the documentation says to compress, done with small numbers: runs, and foreign policies."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sparse_rl import compress, registry
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.runtime import load_actor
from sparse_rl.config import program
from sparse_rl.render import comparison
from sparse_rl.runs.variant import DENSE
from sparse_rl.runtime import compilation_cache
from sparse_rl.selection import compression
from tests import run_by_hand
from tests.docs.blocks import PAGES, ROOT, blocks, commands

PAGE = ROOT / "docs" / "commands" / "compress.md"
SMALL = ["--updates", "20", "--episodes", "3", "--format", "packed"]
DATA = ROOT / "tests" / "importers" / "data"
LUNAR_LANDER = "gymnasium/LunarLander-v3"
CART_POLE = "gymnax/CartPole-v1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compilation_cache, "use", lambda _: None)  # the tests have their own
    monkeypatch.setattr(comparison, "MOST_FRAMES", 5)
    monkeypatch.setattr(compression, "find_compiler", lambda: None)  # nothing is timed here
    for name in ("x", "demo"):
        run_by_hand.write(tmp_path / "runs" / name, {DENSE: (-9.0, -8.0, -7.0)})
    return tmp_path


@pytest.mark.slow
def test_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy for CartPole stands for the lander's, which reads eight numbers."""
    typed = [one for page in PAGES for one in commands(page) if one.name == "compress"]
    assert len(typed) >= 5
    for number, command in enumerate(typed):
        words = [CART_POLE if word == LUNAR_LANDER else word for word in command.words]
        name = "ppo_normalized" if CART_POLE in words else "sac"
        for kind, file in (("zip", "model.zip"), ("pkl", "vecnormalize.pkl")):
            if file in words:
                shutil.copy(DATA / f"{name}.{kind}", here / file)
        if "--out" in words:
            del words[words.index("--out") : words.index("--out") + 2]
        program.call(compress.main, [*words, *SMALL, "--out", f"small{number}"])
        said = capsys.readouterr().out
        assert Path(said.split()[-1]).is_file(), command


def test_a_pass_of_ones_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's program, and its word in a chain: weights of three decimals."""
    monkeypatch.setattr(registry.PASSES, "_entries", dict(registry.PASSES._entries))
    (text,) = (one.text for one in blocks(PAGE) if one.language == "python")
    # Named otherwise than the page: whoever looks for the class's source would read that as Python.
    exec(compile(text, "of_my_own", "exec"), {"__name__": "of_my_own"})
    words = ["runs/x", "--chain", "round:3", "--margin", "9999", *SMALL, "--out", "small"]
    program.call(compress.main, words)
    actor = load_actor(here / "small" / "delivered" / "actor.srl", "numpy")
    for layer in layers(actor.graph.operations):
        thousands = layer.weights.values * np.float64(1000)
        np.testing.assert_allclose(thousands, np.round(thousands), atol=1e-3)
