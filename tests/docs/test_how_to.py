"""The how-to pages, done as they say: in a copy of the package, with their files and edits.

Each page's commands are then run in that copy, its programs executed, and what they left is
compared with what is known: the corridor's best return, a caught ball, scores in plain NumPy.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from sparse_rl.runs.run import Run
from tests.docs.blocks import ROOT, Block, blocks, commands, edited

FOLDER = ROOT / "docs" / "how_to"
PAGES = sorted(FOLDER.glob("*.md"))
MOST_LINES = 40
MOST_LINES_OF_EDITS = 15


def followed(page: Path, folder: Path) -> Path:
    """A copy of the package in `folder` in which the page's files and edits are made."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("sparse_rl", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for block in blocks(page):
        file = folder / block.title
        if block.language == "diff":
            text = file.read_text()
            for hunk in block.text.split("@@\n"):
                text = edited(text, hunk)
            file.write_text(text)
        elif block.title:
            assert not file.exists(), block.title
            file.write_text(block.text)
    return folder


def python(folder: Path, *words: str) -> str:
    """What Python prints, started in the copy, so that it imports the package from there."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_page(name: str, folder: Path) -> Path:
    """Follows a page, runs its programs, then its one command; returns the run's directory."""
    page = FOLDER / name
    followed(page, folder)
    for block in blocks(page):
        if block.language == "python" and not block.title:
            python(folder, "-c", block.text)
    (command,) = commands(page)
    python(folder, "-m", f"sparse_rl.{command.name}", *command.words)
    return folder / command.words[command.words.index("--out") + 1]


def final_returns(run: Path) -> pd.DataFrame:
    """Final returns [seeds, variants]."""
    metrics = Run(run).metrics.query("phase == 'final' and metric == 'return'")
    return metrics.pivot_table(index="seed", columns="variant", values="value")


@pytest.mark.slow
def test_environment(tmp_path: Path) -> None:
    returns = final_returns(run_page("environment.md", tmp_path))
    assert returns.shape == (2, 4)
    # The right end pays 1 and nothing else does; walking at random finds it half of the time.
    assert (returns == 1.0).all(axis=None)


@pytest.mark.slow
def test_agent(tmp_path: Path) -> None:
    run = run_page("agent.md", tmp_path)
    returns = final_returns(run)
    # A ball is caught (+1) or missed (-1); at random it is caught about every fifth time: -0.6.
    assert returns["0"].mean() > 0.6
    assert returns["0.8-int8"].mean() > 0.2
    mask = load_file(run / "policies" / "0.8.safetensors")["masks/hidden_1/kernel"]
    assert mask.sum(axis=(1, 2)).tolist() == [64 * 64 - round(0.8 * 64 * 64)] * 2


@pytest.mark.slow
def test_sparsity_method(tmp_path: Path) -> None:
    run = run_page("sparsity_method.md", tmp_path)
    policies = load_file(run / "policies" / "0.9.safetensors")
    masks = {name: mask[0] for name, mask in policies.items() if name.startswith("masks/")}
    alive = sum(int(mask.sum()) for mask in masks.values())
    size = sum(mask.size for mask in masks.values())
    assert abs(alive - 0.1 * size) <= len(masks)
    densities = [float(mask.mean()) for mask in masks.values()]
    assert max(densities) > 2 * min(densities)  # one threshold: layers differ, unlike `uniform`
    program = (
        "import numpy as np, jax.numpy as jnp; from sparse_rl.sparsity.lamp import lamp;"
        "w = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32);"
        "np.save('w.npy', w); np.save('scores.npy', lamp({'kernel': jnp.asarray(w)})['kernel'])"
    )
    python(tmp_path, "-c", program)
    weights = np.load(tmp_path / "w.npy").astype(float)
    known = [w**2 / sum(v**2 for v in weights.flat if abs(v) >= abs(w)) for w in weights.flat]
    assert np.load(tmp_path / "scores.npy").ravel() == pytest.approx(known, rel=1e-5)


def lines_of_code(block: Block) -> int:
    """Lines that have to be written: neither blank, nor imports, nor documentation."""
    lines = block.text.splitlines()
    if block.language == "diff":
        lines = [line[1:] for line in lines if line.startswith("+")]
    words = ("import ", "from ", '"""', "#")
    return sum(bool(line.strip()) and not line.strip().startswith(words) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_needs_few_lines(page: Path) -> None:
    """The thing itself in under 40 lines; registering it, an agent's options included, in 15."""
    files = [block for block in blocks(page) if block.title and block.language == "python"]
    edits = [block for block in blocks(page) if block.language == "diff"]
    assert 5 < sum(map(lines_of_code, files)) < MOST_LINES
    assert 0 < sum(map(lines_of_code, edits)) <= MOST_LINES_OF_EDITS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_edits_fit_the_package(page: Path, tmp_path: Path) -> None:
    """Fast: every line that an edit relies on is there, once; the result is Python."""
    followed(page, tmp_path)
    for block in blocks(page):
        if block.title.endswith(".py"):
            compile((tmp_path / block.title).read_text(), block.title, "exec")


def test_an_edit_of_what_is_not_there_is_refused() -> None:
    assert edited("a\nb\n", " a\n+x\n") == "a\nx\nb\n"
    assert edited("a\nb\n", "-a\n+x\n b\n") == "x\nb\n"
    with pytest.raises(ValueError, match="found 0 times"):
        edited("a\nb\n", " c\n+x\n")
    with pytest.raises(ValueError, match="found 2 times"):
        edited("a\na\n", " a\n+x\n")
