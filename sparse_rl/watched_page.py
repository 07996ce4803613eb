"""The page of a run while it is trained: written anew at evaluations, reloaded by the browser."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sparse_rl.config.experiment import Config
from sparse_rl.report.page import write_live_page, write_report
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.study.phases import Phase
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.progress.events import Progress

SHARE = 20
"""Times its own duration that passes before a page is written again: it takes at most 5 %."""


class WatchedPage(Progress):
    """Writes RUN/report/index.html at evaluations; `say` is told where it is, and what fails."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._run = Path()
        self._end, self._took = -math.inf, 0.0

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None:
        self._run = out
        self._say(f"watch: {out / layout.REPORT / 'index.html'} (from the first evaluation on)")

    def measured(self, phase: Phase, evaluation: Evaluation) -> None:
        began = time.perf_counter()
        if began - self._end < SHARE * self._took:
            return
        where = f"{phase.label}, step {evaluation.step:,}"
        self._try(lambda: write_live_page(Run(self._run), where))
        self._end = time.perf_counter()
        self._took = self._end - began

    def finish(self, run: Run) -> None:
        self._try(lambda: write_report(run))

    def _try(self, write: Callable[[], object]) -> None:
        """A page that cannot be written ends no training."""
        try:
            write()
        except (OSError, ValueError) as error:
            self._say(f"warning: the page was not written: {' '.join(str(error).split())}")
