"""The time that is left, against a study that is played through with known costs."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.study.phases import Phase
from sparse_rl.study.plan import plan
from sparse_rl.study.progress.lines import Lines
from sparse_rl.study.progress.time_left import Pace, Position, work_of
from sparse_rl.study.training import is_evaluated, next_stop

CONFIG = from_mapping(
    {
        "seeds": 3,
        "training": {"steps": 5000, "learning_starts": 500},
        "sparsity": {"levels": [0, 0.5], "interval": 100},
        "evaluation": {"every": 700, "episodes": 4, "final_episodes": 9},
        "quantization": {"modes": ["int8w", "int8"]},
    }
)
COLLECTING, LEARNING, PROGRAM, EVALUATOR, EPISODE = 1e-4, 2e-3, 7.0, 3.0, 0.05
"""Seconds per member-step, program and episode."""


class Played:
    """A study that takes what it is told to take; `lines` hears of it."""

    def __init__(self, config: Config) -> None:
        self.config, self.phases = config, plan(config)
        self.lines = Lines(Console(file=io.StringIO()))
        self.lines.start(config, self.phases, Path("runs/x"), 1)
        self.seconds = 0.0
        self.moments: list[tuple[float, str, int, float | None]] = []

    def play(self) -> None:
        for phase in self.phases:
            self.lines.phase(phase)
            self.spend(PROGRAM)
            self.lines.compiled(phase, PROGRAM)
            clock, first = phase.begin, True
            while clock < phase.end:
                stop = next_stop(clock, phase, self.config)
                one = COLLECTING if phase.name == "prefill" else LEARNING
                seconds = (stop - clock) * len(phase.members) * one
                self.spend(seconds)
                self.lines.advance(phase, stop, stop - clock, seconds)
                clock = stop
                if not is_evaluated(clock, phase, self.config):
                    continue
                if phase.name != "prefill":
                    self.evaluate(phase, self.config.evaluation.episodes, first)
                    first = False
                self.note(phase, clock)
            if phase.end >= self.config.training.steps:
                self.evaluate(phase, self.config.evaluation.final_episodes, True)
                self.lines.at = self.lines.at._replace(final=True)

    def evaluate(self, phase: Phase, episodes: int, compiles: bool) -> None:
        count, compiling = episodes * len(phase.members), EVALUATOR * compiles
        self.spend(compiling + count * EPISODE)
        self.lines.evaluated(phase, count, compiling, count * EPISODE)

    def spend(self, seconds: float) -> None:
        self.seconds += seconds

    def note(self, phase: Phase, clock: int) -> None:
        left = self.lines.study_left()
        self.moments.append((self.seconds, phase.name, clock, left and left.seconds))


def test_what_is_promised_is_what_is_taken() -> None:
    played = Played(CONFIG)
    played.play()
    promised = [moment for moment in played.moments if moment[1] != "prefill"]
    assert len(promised) > 8
    for seconds, name, clock, left in promised:
        assert left == pytest.approx(played.seconds - seconds), (name, clock)
    assert played.lines.done_share() == 1


def test_nothing_is_promised_before_training_was_measured() -> None:
    played = Played(CONFIG)
    played.play()
    assert [left for _, name, _, left in played.moments if name == "prefill"] == [None]


def test_without_a_measured_evaluation_it_is_at_least_so_much() -> None:
    phase = plan(CONFIG)[1]
    pace = Pace()
    pace.advanced(phase, 100, 1.0)
    left = pace.left([work_of(phase, CONFIG, Position(phase.begin, compiled=True))])
    assert left is not None and not left.whole
    pace.evaluated(12, 0.0, 1.0)
    left = pace.left([work_of(phase, CONFIG, Position(phase.begin, compiled=True))])
    assert left is not None and left.whole


def test_the_speed_is_that_of_the_present_phase_once_it_has_run() -> None:
    dense, prune = plan(CONFIG)[1:3]
    pace = Pace()
    pace.advanced(dense, 1000, 1.0)
    assert pace.rate == 3000
    pace.advanced(prune, 10, 0.1)  # too short to say anything alone
    assert pace.rate == pytest.approx((3000 + 60) / 1.1)
    pace.advanced(prune, 90, 0.9)
    assert pace.rate == pytest.approx(600)
