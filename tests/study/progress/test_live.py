"""What stands on the screen: a healthy variant beside one that collapses, and nothing in a log."""

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from sparse_rl.config.reading import from_mapping
from sparse_rl.study.plan import plan
from sparse_rl.study.progress import live
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.progress.events import INTERRUPTED, Quiet
from sparse_rl.study.progress.lines import Lines

CONFIG = from_mapping(
    {
        "seeds": 2,
        "training": {"steps": 5000, "learning_starts": 500},
        "sparsity": {"levels": [0, 0.98], "interval": 100},
        "evaluation": {"every": 700},
        "quantization": {"modes": []},
    }
)
PHASES = plan(CONFIG)


def evaluation(step: int, final: bool = False) -> Evaluation:
    return Evaluation(
        PHASES[-1].label,
        step,
        final,
        {"0": {0: -147.2, 1: -151.0}, "0.98": {0: -1155.0, 1: math.nan}},
        {"0": 0.0, "0.98": 0.975},
        {"0": 0, "0.98": 1},
    )


def tell(shown: Lines) -> None:
    shown.start(CONFIG, PHASES, Path("runs/x"), 2)
    for phase in PHASES:
        shown.phase(phase)
        shown.compiled(phase, 1.0)
        shown.advance(phase, phase.end - 1, phase.end - phase.begin - 1, 10.0)
    last = PHASES[-1]
    shown.measured(last, evaluation(last.end - 1))


def drawn(shown: live.Screen, rows: int = 20) -> str:
    output = io.StringIO()
    Console(file=output, width=80).print(shown.view(rows))
    return output.getvalue()


def test_each_variant_has_a_row_with_its_worst_seed_and_who_has_failed() -> None:
    screen = live.Screen(Console(file=io.StringIO()))
    tell(screen)
    text = drawn(screen)
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["0"] == ["0", "-149.1", "-151", "0.00", "%", "2", "4,999"]
    assert rows["0.98"] == ["0.98", "-1,155", "-1,155", "97.50", "%", "1", "of", "2", "4,999"]
    assert "step 4,999 of 5,000" in text and "study" in text and "so far" in text


def test_in_a_narrow_terminal_no_number_is_cut() -> None:
    screen = live.Screen(Console(file=io.StringIO(), width=40))
    tell(screen)
    output = io.StringIO()
    Console(file=output, width=40).print(screen.view(20))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= 40 and not any("…" in line for line in lines)
    assert {PHASES[-1].label, "study"} <= {line.split()[0] for line in lines if line.strip()}
    assert any(line.split()[:2] == ["0", "-149.1"] for line in lines if line.strip())


def test_a_line_above_the_view_leaves_no_markup_in_it() -> None:
    output = io.StringIO()
    shown = live.Terminal(Console(file=output, force_terminal=True, width=80))
    shown.start(CONFIG, PHASES, Path("runs/x"), 2)
    shown.phase(PHASES[0])
    shown._live.refresh()  # what is drawn once more below the line
    shown.say("a checkpoint")
    shown.stop()
    assert "a checkpoint" in output.getvalue() and "[bold]" not in output.getvalue()


def test_the_final_evaluation_is_called_so() -> None:
    said = io.StringIO()
    screen = live.Screen(Console(file=said, width=200))
    tell(screen)
    last = PHASES[-1]
    screen.measured(last, evaluation(last.end))
    screen.evaluates(last, True)
    assert "final evaluation" in drawn(screen)
    screen.measured(last, evaluation(last.end, final=True))
    assert drawn(screen).count("final") == 2
    training, final = said.getvalue().splitlines()[-2:]
    assert "to step" in training and "final" in final and "final" not in training


def test_where_there_are_more_variants_than_lines_it_says_how_many_more() -> None:
    screen = live.Screen(Console(file=io.StringIO()))
    tell(screen)
    assert "and 1 more" in drawn(screen, rows=1)


def test_nothing_is_promised_before_the_first_measurement() -> None:
    screen = live.Screen(Console(file=io.StringIO()))
    screen.start(CONFIG, PHASES, Path("runs/x"), 2)
    screen.phase(PHASES[0])
    assert "time left not known yet" in drawn(screen) and "compiling" in drawn(screen)


def test_a_log_has_a_line_for_each_event_and_none_for_each_variant() -> None:
    output = io.StringIO()
    tell(Lines(Console(file=output, width=300)))
    lines = output.getvalue().splitlines()
    assert len(lines) == 2 + len(PHASES) + 1
    assert "return -149.1 (0) to -1,155 (0.98)" in lines[-1] and "1 failed" in lines[-1]
    assert "left" in lines[-1]


def test_an_interruption_is_noticed_aloud_even_without_progress(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Quiet().interrupted()
    assert capsys.readouterr().err == f"{INTERRUPTED}\n"
    assert "checkpoint" in INTERRUPTED and "again" in INTERRUPTED


def test_a_notebook_shows_one_output_that_is_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, what: object) -> None:
            shown.append(what._repr_html_())  # type: ignore[attr-defined]

    def display(what: object, display_id: bool) -> Handle:
        assert display_id
        shown.append(what._repr_html_())  # type: ignore[attr-defined]
        return Handle()

    display_module = pytest.importorskip("IPython.display")
    monkeypatch.setattr(display_module, "display", display)
    monkeypatch.setattr(live.Notebook, "EVERY", 0.0)
    notebook = live.Notebook(Console(file=io.StringIO()))
    tell(notebook)
    assert "0.98" in shown[-1] and "<pre" in shown[-1] and "1 of 2" in shown[-1]
    notebook.stop()
    assert "0.98" not in shown[-1]
