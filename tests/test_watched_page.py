"""The page of a run that is being trained: it reloads itself until the run is done."""

from pathlib import Path
from typing import Any

import pytest

from sparse_rl import watched_page
from sparse_rl.config.reading import from_mapping
from sparse_rl.report import run_view
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.training import train
from sparse_rl.watched_page import WatchedPage


@pytest.fixture(scope="module")
def said_and_pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """What was said, and the page after every evaluation and at the end."""
    out = tmp_path_factory.mktemp("watched") / "run"
    values: dict[str, Any] = {
        "environment": "probe/termination?actions=continuous",
        "seeds": 2,
        "network": {"hidden": [8]},
        "replay": {"capacity": 40, "batch_size": 4},
        "training": {"steps": 60, "learning_starts": 10},
        "sparsity": {"levels": [0, 0.5], "interval": 6},
        "quantization": {"modes": []},
        "evaluation": {"every": 30, "episodes": 2, "final_episodes": 2},
        "out": str(out),
    }
    said: list[str] = []
    pages: list[str] = []

    class Kept(WatchedPage):
        def measured(self, phase: Any, evaluation: Evaluation) -> None:
            super().measured(phase, evaluation)
            pages.append((out / "report" / "index.html").read_text())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched_page, "SHARE", 0)
        patch.setattr(run_view, "LEADING", ())  # figures take seconds, and are drawn elsewhere
        patch.setattr(run_view, "FOLLOWING", ())
        train(from_mapping(values), Kept(said.append))
    pages.append((out / "report" / "index.html").read_text())
    return said, pages


def test_it_reloads_until_the_run_is_done(said_and_pages: tuple[list[str], list[str]]) -> None:
    _, pages = said_and_pages
    assert len(pages) > 3
    assert all('<meta http-equiv="refresh"' in page for page in pages[:-1])
    assert 'http-equiv="refresh"' not in pages[-1] and "not finished" not in pages[-1]


def test_it_says_how_far_the_run_is_and_what_each_variant_gets(
    said_and_pages: tuple[list[str], list[str]],
) -> None:
    said, pages = said_and_pages
    assert said[0].startswith("watch: ") and "report/index.html" in said[0]
    assert not any("warning" in line for line in said)
    assert "finetune, step 60" in pages[-2] and "The run is not finished" in pages[-2]
    assert 'class="so-far"' in pages[-2] and ">0.5</td>" in pages[-2]


def test_a_page_that_cannot_be_written_ends_no_training(tmp_path: Path) -> None:
    said: list[str] = []
    page = WatchedPage(said.append)
    page._run = tmp_path / "gone"
    phase = type("Phase", (), {"label": "dense"})()
    page.measured(phase, Evaluation("dense", 5, False, {}, {}, {}))
    (line,) = said
    assert line.startswith("warning: the page was not written: ")
