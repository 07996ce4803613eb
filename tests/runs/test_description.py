"""What a run and an actor say of themselves, in a line and in a notebook."""

import re
from pathlib import Path

import pytest

from sparse_rl.artifact.packed import save
from sparse_rl.artifact.runtime import load_actor
from sparse_rl.report.page import write_report
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.summary.table import markdown_table
from tests import run_by_hand

PRUNED = Variant(sparsity=0.5)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    returns = {DENSE: (-150.0, -140.0, -145.0), PRUNED: (-151.0, -150.0, -152.0)}
    run_by_hand.write(tmp_path / "pendulum", returns)
    return Run(tmp_path / "pendulum")


def test_a_run_in_a_line(run: Run, tmp_path: Path) -> None:
    assert repr(run) == (
        f"Run({str(run.path)!r}: gymnax/Pendulum-v1, SAC, 3 seeds; finished, variants 0, 0.5)"
    )
    missing = repr(Run(tmp_path / "nowhere"))
    assert missing.startswith("Run(") and "cannot be read: " in missing
    rows = (run.path / "metrics.csv").read_text().splitlines()
    (run.path / "metrics.csv").write_text(rows[0] + "\n")
    assert repr(Run(run.path)).endswith("3 seeds; not finished, no step recorded yet)")


def test_a_run_in_a_notebook_has_its_table_and_panel_and_fetches_nothing(run: Run) -> None:
    assert "<img" not in run._repr_html_()
    write_report(run)
    html = run._repr_html_()
    assert re.search(r"<td[^>]*>-145</td>", html) and re.search(r"<td[^>]*>-151</td>", html)
    assert html.count("<img") == 1 and "data:image/svg+xml;base64," in html
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "<script" not in html


def test_the_summary_shows_itself_as_the_final_table_and_is_a_data_frame(run: Run) -> None:
    summary = run.summary()
    assert repr(summary) == markdown_table(summary)
    assert list(summary["seeds"]) == [3, 3]
    assert summary.set_index("variant").loc["0.5", "return_iqm"] == -151.0
    part = summary[["variant", "seeds"]]
    assert "return" not in repr(part), "what is selected is shown as it is"
    assert ">not worse</td>" in summary._repr_html_() or ">undecided</td>" in (
        summary._repr_html_()
    )
    del summary["verdict"]
    assert "probability_of_improvement" in repr(summary)
    assert "<table" in summary._repr_html_()


def test_an_actor_says_what_it_is(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "actor.srl", run.packed("0.5", 1))
    actor = load_actor(tmp_path / "actor.srl", "numpy")
    text = repr(actor)
    assert text.startswith("Actor(gymnax/Pendulum-v1; 0.5, seed 1; return -150 when it was made")
    # 3 x 8 and 8 x 1 weights: the deviation's head is no part of an actor.
    assert "32 of 32 in float32: 0 % are zero" in text and "NumPy" in text
    assert text.endswith("float32 [3] -> float32 [1])")
    html = actor._repr_html_()
    assert "dense [3, 8], dense [8, 1]" in html and "<script" not in html
