"""The events of a run, in the order in which they happen, and who may hear of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sparse_rl.checkpoints.checkpoint import Saved
from sparse_rl.config.experiment import Config
from sparse_rl.runs.run import Run
from sparse_rl.study.phases import Phase
from sparse_rl.study.progress.evaluation import Evaluation

INTERRUPTED = (
    "interrupted: this chunk of training ends, about a second, then a checkpoint is written; "
    "interrupt again to stop at once, without it"
)


class Progress(Protocol):
    """Events of a run. `compiled` and `evaluated` say what has taken how long."""

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None: ...
    def phase(self, phase: Phase) -> None: ...
    def compiled(self, phase: Phase, seconds: float) -> None: ...
    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None: ...
    def evaluates(self, phase: Phase, final: bool) -> None: ...
    def evaluated(self, phase: Phase, episodes: int, compiling: float, seconds: float) -> None: ...
    def measured(self, phase: Phase, evaluation: Evaluation) -> None: ...
    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None: ...
    def saved(self, saved: Saved) -> None: ...
    def interrupted(self) -> None: ...
    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def finish(self, run: Run) -> None: ...
    def stop(self) -> None: ...


class Silent:
    """Shows nothing."""

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None: ...
    def phase(self, phase: Phase) -> None: ...
    def compiled(self, phase: Phase, seconds: float) -> None: ...
    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None: ...
    def evaluates(self, phase: Phase, final: bool) -> None: ...
    def evaluated(self, phase: Phase, episodes: int, compiling: float, seconds: float) -> None: ...
    def measured(self, phase: Phase, evaluation: Evaluation) -> None: ...
    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None: ...
    def saved(self, saved: Saved) -> None: ...
    def interrupted(self) -> None: ...
    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def finish(self, run: Run) -> None: ...
    def stop(self) -> None: ...


class Quiet(Silent):
    """Shows nothing but that an interruption was noticed: what follows takes its time."""

    def interrupted(self) -> None:
        print(INTERRUPTED, file=sys.stderr, flush=True)


class Told(Silent):
    """Calls a function with every evaluation; what it raises ends the training."""

    def __init__(self, function: Callable[[Evaluation], object]) -> None:
        self._function = function

    def measured(self, phase: Phase, evaluation: Evaluation) -> None:
        self._function(evaluation)


class Both:
    """Tells two, one after the other, of every event."""

    def __init__(self, first: Progress, second: Progress) -> None:
        self._each = (first, second)

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None:
        for one in self._each:
            one.start(config, phases, out, devices)

    def phase(self, phase: Phase) -> None:
        for one in self._each:
            one.phase(phase)

    def compiled(self, phase: Phase, seconds: float) -> None:
        for one in self._each:
            one.compiled(phase, seconds)

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        for one in self._each:
            one.advance(phase, clock, steps, seconds)

    def evaluates(self, phase: Phase, final: bool) -> None:
        for one in self._each:
            one.evaluates(phase, final)

    def evaluated(self, phase: Phase, episodes: int, compiling: float, seconds: float) -> None:
        for one in self._each:
            one.evaluated(phase, episodes, compiling, seconds)

    def measured(self, phase: Phase, evaluation: Evaluation) -> None:
        for one in self._each:
            one.measured(phase, evaluation)

    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None:
        for one in self._each:
            one.resumed(phases, index, clock)

    def saved(self, saved: Saved) -> None:
        for one in self._each:
            one.saved(saved)

    def interrupted(self) -> None:
        for one in self._each:
            one.interrupted()

    def say(self, text: str) -> None:
        for one in self._each:
            one.say(text)

    def warn(self, text: str) -> None:
        for one in self._each:
            one.warn(text)

    def finish(self, run: Run) -> None:
        for one in self._each:
            one.finish(run)

    def stop(self) -> None:
        for one in self._each:
            one.stop()
