"""A run directory written by hand, and the film that is made of it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from sparse_rl.render import comparison
from sparse_rl.render.film import GAP
from sparse_rl.report.films import own_film
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from tests import run_by_hand

RETURNS = {
    DENSE: (-9.0, -5.0, -7.0),
    Variant(sparsity=0.9, arithmetic="int8"): (-20.0, -11.0, -10.0),
}
MEDIAN = 1
"""The seed whose return is the median of 0.9-int8; dense has another."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run_by_hand.write(tmp_path, RETURNS)
    return Run(tmp_path)


def frames(file: Path) -> int:
    with Image.open(file) as gif:
        assert gif.width == 2 * 320 + GAP
        return int(getattr(gif, "n_frames", 1))


def test_the_median_seed_plays_in_both_arms(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_FRAMES", 6)
    assert comparison.film(run) == f"film: {run.path / 'film.gif'}"
    told = json.loads((run.path / "film.json").read_text())
    assert (told["seed"], told["seeds"]) == (MEDIAN, 3)
    assert [shown["variant"] for shown in told["variants"]] == ["0", "0.9-int8"]
    assert [shown["return"] for shown in told["variants"]] == [-5.0, -11.0]
    assert [shown["steps"] for shown in told["variants"]] == [6, 6]
    assert frames(run.path / "film.gif") == 7
    monkeypatch.setattr(comparison, "MOST_BYTES", 1)
    comparison.film(run)
    assert frames(run.path / "film.gif") == 2, "too large: frames are left out, first and last stay"


def test_what_cannot_be_drawn_is_said_and_an_old_film_goes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.path / "film.gif").write_bytes(b"GIF89a")
    config = (run.path / "config.yaml").read_text()
    (run.path / "config.yaml").write_text(config.replace(run_by_hand.PENDULUM, "probe/termination"))
    assert comparison.film(run).startswith("no film: probe/termination: there is no drawing of it")
    told = json.loads((run.path / "film.json").read_text())
    assert told["reason"].startswith("probe/termination: there is no drawing of it")
    assert not (run.path / "film.gif").exists()


def test_a_package_that_is_missing_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'ale_py'")

    monkeypatch.setattr(comparison, "scene", missing)
    assert comparison.film(run) == "no film: No module named 'ale_py'"


def test_a_dense_policy_that_failed_in_every_seed_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MOST_FRAMES", 6)
    nothing = (float("nan"),) * 3
    sparse = Variant(sparsity=0.9)
    run_by_hand.write(tmp_path / "one", {DENSE: nothing, sparse: (-20.0, -11.0, -10.0)})
    assert comparison.film(Run(tmp_path / "one")).startswith("film: ")
    told = json.loads((tmp_path / "one" / "film.json").read_text())
    assert [shown["variant"] for shown in told["variants"]] == ["0.9"]
    (shown,), _ = own_film(Run(tmp_path / "one"))
    assert shown.caption.startswith("0.9, 90 % sparse, seed 1, the median of 3 seeds")
    run_by_hand.write(tmp_path / "none", {DENSE: nothing, sparse: nothing})
    line = "no film: no variant has a seed that did not fail"
    assert comparison.film(Run(tmp_path / "none")) == line
