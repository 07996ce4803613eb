"""The model zoo: each file is what its card says, and plays as its card says."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import sparse_rl
from benchmarks import zoo
from benchmarks.studies import RESULTS
from sparse_rl.artifact import packed
from sparse_rl.config.reading import from_mapping
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.runs.run import Run
from sparse_rl.runs.settings import read_settings
from sparse_rl.runs.variant import DENSE, Variant
from tests import run_by_hand

FOLDERS = sorted(file.parent for file in RESULTS.glob(f"*/policies/{zoo.CARDS}"))
CARDS = [(folder, card) for folder in FOLDERS for card in zoo.read(folder)]
each_card = pytest.mark.parametrize(
    ("folder", "card"), CARDS, ids=[f"{folder.parent.name}-{card.file}" for folder, card in CARDS]
)
NAMES = {"pendulum_rigl": "rigl-"}
EPISODES = 10


def test_there_are_policies_and_each_has_a_card() -> None:
    assert {folder.parent.name for folder in FOLDERS} >= {"pendulum", "cartpole"}
    for folder in FOLDERS:
        files = {file.name for file in folder.glob("*.srl")}
        assert files == {card.file for card in zoo.read(folder)}
        method = NAMES.get(folder.parent.name, "")  # gradual pruning is not named
        assert {"dense.srl", f"{method}0.9-int8.srl"} <= files


@each_card
def test_a_file_is_the_one_on_its_card(folder: Path, card: zoo.Card) -> None:
    data = (folder / card.file).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (card.size, card.sha256)
    about = packed.from_bytes(data).provenance
    assert (about.environment, about.variant, about.seed, about.config_digest) == (
        card.environment,
        card.variant,
        card.seed,
        card.config_digest,
    )
    assert about.measured_return == pytest.approx(card.recorded, abs=1e-3)
    kept = from_mapping(read_settings(folder.parent))
    assert (kept.digest(), kept.environment) == (card.config_digest, card.environment)
    returns = Run(folder.parent).final_returns(card.variant)
    assert max(returns, key=lambda seed: returns[seed]) == card.seed


@each_card
def test_a_file_plays_as_its_card_says(folder: Path, card: zoo.Card) -> None:
    """Ten other episodes lie within five standard errors of the difference of both means.

    Whatever the distribution of returns, that fails for a true card in less than 1 of 25 cases
    (Chebyshev), and for means near normal in 1 of a million; the starts are fixed.
    """
    actor = sparse_rl.load_actor(folder / card.file, "numpy")
    returns = play(actor, make(card.environment, evaluation=True), EPISODES, 7).returns
    error = card.spread * np.sqrt(1 / EPISODES + 1 / card.episodes)
    assert abs(returns.mean() - card.mean) <= 5 * error + 1e-3 * abs(card.mean)
    assert card.low <= card.mean <= card.high


def test_which_policies_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense, 90 % in int8 and the smallest of those without loss; best seeds; new returns."""
    monkeypatch.setattr(zoo, "EPISODES", 3)
    returns = {
        DENSE: (-9.0, -8.0, -9.0, -9.0),
        Variant(sparsity=0.9): (-9.0, -9.0, -9.0, -8.0),
        Variant(sparsity=0.9, arithmetic="int8"): (-9.0, -9.0, -900.0, -9.0),
        Variant(sparsity=0.95, arithmetic="int8"): (-9.0, -9.0, -8.0, -9.0),
    }
    run_by_hand.write(tmp_path / "run", returns)
    run = Run(tmp_path / "run")
    table = run.summary().set_index("variant")
    assert table.loc["0.9-int8", "verdict"] != "not worse"
    results = tmp_path / "results"
    (results / "policies").mkdir(parents=True)
    (results / "policies" / "0.98.srl").write_bytes(b"of an earlier run")
    (results / "config.yaml").write_text((tmp_path / "run" / "config.yaml").read_text())
    cards = {card.file: card for card in zoo.write(run, results)}
    kept = {file.name for file in (results / "policies").glob("*.srl")}
    assert kept == set(cards) >= {"dense.srl", "0.9-int8.srl"}
    assert cards["dense.srl"].seed == 1 and cards["dense.srl"].recorded == -8.0
    smallest = [card for card in cards.values() if "smallest" in card.why]
    if smallest:
        assert table.loc[smallest[0].variant, "verdict"] == "not worse"
    assert cards["dense.srl"].mean < -100  # played, not copied: the weights are random

    other = re.sub("seeds: 4", "seeds: 5", (results / "config.yaml").read_text())
    (results / "config.yaml").write_text(other)
    with pytest.raises(ValueError, match=r"found the results of .*; allowed: of "):
        zoo.write(run, results)
