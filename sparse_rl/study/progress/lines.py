"""Progress as plain lines, one per event, for logs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sparse_rl.checkpoints.checkpoint import Saved
from sparse_rl.config.experiment import Config
from sparse_rl.runs.run import Run
from sparse_rl.study.phases import Phase
from sparse_rl.study.plan import start_in_words
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.progress.events import INTERRUPTED, Progress
from sparse_rl.study.progress.time_left import Left, Pace, Position, work_of
from sparse_rl.summary.table import terminal_table
from sparse_rl.units import in_bytes, in_figures, in_time


class Lines(Progress):
    """One plain line per event; the live views add to it what changes all the time."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self.began = time.perf_counter()
        self.pace = Pace()
        self.phases: tuple[Phase, ...] = ()
        self.index = -1
        self.at = Position(0)
        self._config = Config()

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None:
        self.began = time.perf_counter()
        self._config, self.phases = config, tuple(phases)
        levels = ", ".join(f"{level:g}" for level in config.sparsity.levels)
        modes = ", ".join(("float32", *config.quantization.modes))
        self.say(
            f"{config.environment}  {config.agent.name.upper()}  {config.seeds} "
            f"seed{'s' * (config.seeds != 1)} x sparsity {{{levels}}} x {{{modes}}}  on {devices} "
            f"device{'s' * (devices != 1)}"
        )
        total = sum(phase.member_steps for phase in phases)
        self.say(f"{total:,} environment steps in all; results in {out}")
        for line in start_in_words(config):
            self.say(line)

    def phase(self, phase: Phase) -> None:
        self.enter(phase)
        self.say(f"{phase.label}: steps {phase.begin:,} to {phase.end:,}, {_members(phase)}")

    def enter(self, phase: Phase) -> None:
        """Notes where the study is now."""
        resumed = self.index >= 0 and self.phases[self.index] is phase and not self.at.compiled
        if not resumed:
            self.index = self.phases.index(phase, self.index + 1)
            self.at = Position(phase.begin)

    def compiled(self, phase: Phase, seconds: float) -> None:
        self.pace.compiled(seconds)
        self.at = self.at._replace(compiled=True)

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        self.pace.advanced(phase, steps, seconds)
        self.at = self.at._replace(clock=clock)

    def evaluates(self, phase: Phase, final: bool) -> None:
        if final:
            self.say(f"  final evaluation of {_members(phase)}")

    def evaluated(self, phase: Phase, episodes: int, compiling: float, seconds: float) -> None:
        self.pace.evaluated(episodes, compiling, seconds)
        self.at = self.at._replace(evaluator=True)

    def measured(self, phase: Phase, evaluation: Evaluation) -> None:
        if evaluation.final:
            self.at = self.at._replace(final=True)
        word = "final" if evaluation.final else "step"
        self.say(f"  {word:<5} {evaluation.step:>9,}  {self.state(evaluation)}")

    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None:
        self.index, self.at = index, Position(clock)
        self.say(f"continues from step {clock:,}, in {phases[index].label}")

    def saved(self, saved: Saved) -> None:
        self.say(
            f"  checkpoint {saved.path.name}: {in_bytes(saved.bytes)} in {saved.seconds:.1f} s"
        )

    def interrupted(self) -> None:
        self.say(INTERRUPTED)

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    def finish(self, run: Run) -> None:
        minutes, seconds = divmod(round(time.perf_counter() - self.began), 60)
        table = run.summary()
        self.console.print()
        self.console.print(terminal_table(table, width=self.console.width))
        self.console.print()
        self.say(
            f"{minutes} min {seconds} s, of which {self.pace.compile_seconds:.0f} s compiling. "
            f"Run directory: {run.path}"
        )

    def state(self, evaluation: Evaluation) -> str:
        """An evaluation in one line: the best and the worst variant, and what is left to do."""
        parts = [_returns(evaluation)]
        shares = list(evaluation.sparsity.values())
        if max(shares) > 0:
            ends = dict.fromkeys(f"{share:.3g}" for share in (min(shares), max(shares)))
            parts.append(f"sparsity {' to '.join(ends)}")
        if failed := sum(evaluation.failed.values()):
            parts.append(f"{failed} failed")
        if self.pace.rate is not None:
            parts.append(f"{self.pace.rate:,.0f} steps/s")
        if left := self.study_left():
            parts.append(in_words(left))
        return "  ".join(part for part in parts if part)

    def done_share(self) -> float:
        """The share of all member-steps that has been taken."""
        done = sum(phase.member_steps for phase in self.phases[: max(self.index, 0)])
        if self.index >= 0:
            phase = self.phases[self.index]
            done += (self.at.clock - phase.begin) * len(phase.members)
        return done / max(sum(phase.member_steps for phase in self.phases), 1)

    def phase_left(self) -> Left | None:
        """How long the present phase still takes; None while that cannot be said."""
        return self.pace.left([work_of(self.phases[self.index], self._config, self.at)])

    def study_left(self) -> Left | None:
        """The same of this phase and all that follow."""
        later = self.phases[self.index + 1 :]
        return self.pace.left(
            [
                work_of(self.phases[self.index], self._config, self.at),
                *(work_of(phase, self._config, Position(phase.begin)) for phase in later),
            ]
        )

    def stop(self) -> None:
        """Gives the terminal back, whatever happened."""

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def in_words(left: Left) -> str:
    """The time that is left; "at least" while no evaluation has been measured."""
    return f"{'' if left.whole else 'at least '}{in_time(left.seconds)} left"


def _members(phase: Phase) -> str:
    count = len(phase.members)
    return f"{count} member{'s' * (count != 1)}"


def _returns(evaluation: Evaluation) -> str:
    """The variants' means, from the highest to the lowest, which are named where there are more."""
    name = "random return" if evaluation.random else "return"
    means = {key: mean for key, mean in evaluation.means.items() if math.isfinite(mean)}
    if not means:
        return ""
    best, worst = (choose(means, key=lambda key: means[key]) for choose in (max, min))
    if len(evaluation.returns) == 1:
        return f"{name} {in_figures(means[best])}"
    return f"{name} {in_figures(means[best])} ({best}) to {in_figures(means[worst])} ({worst})"
