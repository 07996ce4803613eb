"""What is said while a compression learns: a log has a line for each quarter or half minute."""

import io
import time

import pytest
from rich.console import Console

from sparse_rl.selection.progress import Bar


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        # Quickly: only quarters.
        ([(1, 0.1), (2, 0.3), (3, 0.4), (4, 0.6)], ["   30 %  0:05 left", "   60 %  0:03 left"]),
        # Slowly: each line that would be half a minute late, and with what is left by then.
        (
            [(20, 0.01), (31, 0.02), (40, 0.03), (62, 0.04)],
            ["    2 %  25:19 left", "    4 %  24:48 left"],
        ),
    ],
)
def test_a_log_has_a_line_for_each_quarter_or_half_minute(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[float, float]], lines: list[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    output = io.StringIO()
    bar = Bar(Console(file=output, force_terminal=False))
    bar.told("distil", 0.0)
    for second, share in steps:
        now = 100.0 + second
        bar.told("distil", share)
    bar.told("distil", 1.0)
    said = output.getvalue().splitlines()
    assert said[0] == "distil"
    assert said[1:-1] == lines
    assert said[-1].startswith("  done in ")


def test_in_a_terminal_each_share_takes_the_place_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    output = io.StringIO()
    bar = Bar(Console(file=output, force_terminal=True))
    for second, share in ((0, 0.0), (1, 0.25), (2, 0.5), (4, 1.0)):
        now = 100.0 + second
        bar.told("distil", share)
    course, line = output.getvalue().removesuffix("\n").split("\n")
    assert course == "distil"
    assert [one.rstrip() for one in line.split("\r")] == [
        "",
        "   25 %  0:03 left",
        "   50 %  0:02 left",
        "  done in 0:04",
    ]
    assert len({len(one) for one in line.split("\r")[1:]}) == 1, "what was longer is covered"
