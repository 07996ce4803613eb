"""The events of a run, in the order in which they happen, and who may hear of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from sparse_rl.checkpoints.checkpoint import Saved
from sparse_rl.config.experiment import Config
from sparse_rl.runs.run import Run
from sparse_rl.study.phases import Phase
from sparse_rl.study.progress.evaluation import Evaluation

INTERRUPTED = (
    "interrupted: a checkpoint is written after this chunk of training, about a second, or after "
    "what is being compiled or evaluated; interrupt again to stop at once, without one"
)


class Progress:
    """Hears of every event and shows nothing; a subclass shows what it cares for.

    `compiled` and `evaluated` say what has taken how long.
    """

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


class Quiet(Progress):
    """Shows nothing but that an interruption was noticed: what follows takes its time."""

    def interrupted(self) -> None:
        print(INTERRUPTED, file=sys.stderr, flush=True)


class Told(Progress):
    """Calls a function with every evaluation; what it raises ends the training."""

    def __init__(self, function: Callable[[Evaluation], object]) -> None:
        self._function = function

    def measured(self, phase: Phase, evaluation: Evaluation) -> None:
        self._function(evaluation)


class _Both:
    def __init__(self, first: Progress, second: Progress) -> None:
        self._each = (first, second)

    def __getattr__(self, event: str) -> Callable[..., None]:
        def tell(*of: Any, **named: Any) -> None:
            for one in self._each:
                getattr(one, event)(*of, **named)

        return tell


def both(first: Progress, second: Progress) -> Progress:
    """Tells two, one after the other, of every event."""
    return cast(Progress, _Both(first, second))
