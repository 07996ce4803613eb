"""The how-to pages, done as they say: packages of the reader's own, beside an installed sparse_rl.

Each page's file is put where Python finds it, its programs and its command are run; what the run
leaves is compared with what is known.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparse_rl.runs.run import Run
from sparse_rl.sparsity.distributions import erk, pruned_counts
from tests.docs.blocks import ROOT, Block, blocks, commands

FOLDER = ROOT / "docs" / "how_to"
PAGES = sorted(FOLDER.glob("*.md"))
MOST_LINES = 130
ONE_SMALL = ("--seeds=1", "--network.hidden=64,64")
"""One seed of a small network, where that is enough."""


def python(folder: Path, *words: str) -> str:
    """What Python prints in the reader's folder, with the package installed elsewhere."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_page(name: str, folder: Path, *smaller: str) -> Run:
    """Writes a page's files, runs its programs, then its one command; the run that it left.

    `smaller` are options behind those of the page. As many episodes of every evaluation as of the
    last are one program instead of two.
    """
    page = FOLDER / name
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text)
    for block in blocks(page):
        if block.language == "python" and not block.title:
            python(folder, "-c", block.text)
    (command,) = commands(page)
    python(folder, "-m", f"sparse_rl.{command.name}", *command.words, *smaller)
    return Run(folder / command.words[command.words.index("--out") + 1])


def final_returns(run: Run) -> pd.DataFrame:
    """Final returns [seeds, variants]."""
    metrics = run.metrics.query("phase == 'final' and metric == 'return'")
    return metrics.pivot_table(index="seed", columns="variant", values="value")


@pytest.mark.slow
def test_environment(tmp_path: Path) -> None:
    returns = final_returns(
        run_page("environment.md", tmp_path, *ONE_SMALL, "--evaluation.episodes=100")
    )
    assert returns.shape == (1, 4)
    # The right end pays 1 and nothing else does; walking at random finds it half of the time.
    assert (returns == 1.0).all(axis=None)


@pytest.mark.slow
def test_agent(tmp_path: Path) -> None:
    run = run_page("agent.md", tmp_path, "--evaluation.episodes=20")
    returns = final_returns(run)
    # Swung up and held: about -150 to -300; at random about -1,200, and never above -700. One seed
    # of the two may need more steps than the page takes.
    assert returns["0"].max() > -450
    assert returns["0.8-int8"].max() > -450
    masks = list(run.policies("0.8").masks.values())
    dead = pruned_counts([mask.shape[1:] for mask in masks], 0.8, erk)
    assert [(~mask).sum((1, 2)).tolist() for mask in masks] == [[count] * 2 for count in dead]


@pytest.mark.slow
def test_sparsity_method(tmp_path: Path) -> None:
    smaller = ("--training.steps=400", "--training.learning_starts=40", *ONE_SMALL)
    smaller += ("--evaluation.every=200", "--evaluation.episodes=10", "--sparsity.interval=40")
    run = run_page("sparsity_method.md", tmp_path, *smaller, "--sparsity.end=1")  # no fine-tuning
    assert set(final_returns(run).columns) == {"0", "0.9", "my_rigl-0.9"}
    # Sparse from the first evaluation to the last.
    sparsity = run.metrics.query("metric == 'sparsity'").groupby("variant")["value"]
    assert sparsity.get_group("my_rigl-0.9").min() == pytest.approx(0.9, abs=1e-3)
    gradual, rigl = run.policies("0.9").masks, run.policies("my_rigl-0.9").masks
    for layer, mask in gradual.items():
        np.testing.assert_array_equal(mask.sum((1, 2)), rigl[layer].sum((1, 2)))  # same counts
    assert (gradual["hidden_1/kernel"] != rigl["hidden_1/kernel"]).any()


def lines_of_code(block: Block) -> int:
    """Lines that have to be written: neither blank, nor imports, nor documentation."""
    words = ("import ", "from ", '"""', "#", "@", ")", "]")
    lines = [line.strip() for line in block.text.splitlines()]
    return sum(bool(line) and not line.startswith(words) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_one_file_and_edits_nothing(page: Path) -> None:
    files = [block for block in blocks(page) if block.title.endswith(".py")]
    assert len(files) == 1
    assert 5 < lines_of_code(files[0]) < MOST_LINES
    assert not any(block.language == "diff" for block in blocks(page))
    compile(files[0].text, files[0].title, "exec")
