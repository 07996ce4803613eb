"""What the documentation says to compress, done with small numbers: runs, and foreign policies."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparse_rl import compress, registry
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.runtime import load_actor
from sparse_rl.config import program
from sparse_rl.render import comparison
from sparse_rl.runs.variant import DENSE
from sparse_rl.runtime import compilation_cache
from sparse_rl.selection import compression, result
from sparse_rl.selection.candidates import grid, named
from sparse_rl.selection.compression import TABLE
from tests import run_by_hand
from tests.docs.blocks import PAGES, ROOT, blocks, commands

PAGE = ROOT / "docs" / "commands" / "compress.md"
SMALL = ["--updates", "20", "--episodes", "3", "--format", "packed"]
DATA = ROOT / "tests" / "importers" / "data"
LUNAR_LANDER = "gymnasium/LunarLander-v3"
UNTRAINED = {"methods": ("prune",), "levels": (0.5,)}
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


def learns_by_default(asked: dict[str, Any]) -> bool:
    """Whether neither methods nor chains are named, which means distillation: compiling."""
    return not asked["methods"] and not asked["chain"]


def default_candidates(asked: dict[str, Any]) -> list[str]:
    return [*named(grid(compress.METHODS, asked["levels"], asked["arithmetic"], {}))]


@pytest.mark.slow
def test_commands(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy for CartPole stands for the lander's, which reads eight numbers.

    The plainest command learns and has its page. Others do what they say with candidates that are
    made without learning, and are not shown: pages are the subject of tests/test_compress.py.
    """
    every = [one for page in PAGES for one in commands(page) if one.name == "compress"]
    typed = list({one.words: one for one in every}.values())
    assert len(typed) >= 5
    (plainest,) = [one for one in typed if one.words == ("runs/x",)]
    show = result.show
    for number, command in enumerate(typed):
        words = [CART_POLE if word == LUNAR_LANDER else word for word in command.words]
        name = "ppo_normalized" if CART_POLE in words else "sac"
        for kind, file in (("zip", "model.zip"), ("pkl", "vecnormalize.pkl")):
            if file in words:
                shutil.copy(DATA / f"{name}.{kind}", here / file)
        if "--out" in words:
            del words[words.index("--out") : words.index("--out") + 2]
        asked = program.parse(compress.main, [*words, *SMALL, "--out", f"small{number}"])
        if command is not plainest and learns_by_default(asked):
            assert any(one.startswith("distil") for one in default_candidates(asked)), command
            asked |= UNTRAINED
        shown = show if command is plainest else lambda made, _: made.folder.path / TABLE
        monkeypatch.setattr(result, "show", shown)
        compress.main(**asked)
        assert Path(capsys.readouterr().out.split()[-1]).is_file(), command
    assert (here / f"small{typed.index(plainest)}" / "report" / "index.html").is_file()


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
