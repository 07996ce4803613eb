"""What a person sees while waiting: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from sparse_rl.checkpoints.checkpoint import Saved
from sparse_rl.config.experiment import Config
from sparse_rl.runs.run import Run
from sparse_rl.study.phases import Phase
from sparse_rl.summary.table import terminal_table

Metrics = dict[str, np.ndarray]


class Progress(Protocol):
    """Events of a run, in the order in which they happen."""

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None: ...
    def phase(self, phase: Phase) -> None: ...
    def compiled(self, phase: Phase, seconds: float) -> None: ...
    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None: ...
    def measured(self, phase: Phase, clock: int, metrics: Metrics) -> None: ...
    def final_evaluation(self, phase: Phase) -> None: ...
    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None: ...
    def saved(self, saved: Saved) -> None: ...
    def interrupted(self) -> None: ...
    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def finish(self, run: Run) -> None: ...


class Silent:
    """Shows nothing."""

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None: ...
    def phase(self, phase: Phase) -> None: ...
    def compiled(self, phase: Phase, seconds: float) -> None: ...
    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None: ...
    def measured(self, phase: Phase, clock: int, metrics: Metrics) -> None: ...
    def final_evaluation(self, phase: Phase) -> None: ...
    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None: ...
    def saved(self, saved: Saved) -> None: ...
    def interrupted(self) -> None: ...
    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def finish(self, run: Run) -> None: ...


class Lines:
    """One plain line per event, for logs; `Terminal` adds a live bar to it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._total = self._done = 0
        self._rate = 0.0
        self._compile_seconds = 0.0
        self._began = time.perf_counter()

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None:
        self._began = time.perf_counter()
        self._total = sum(phase.member_steps for phase in phases)
        levels = ", ".join(f"{level:g}" for level in config.sparsity.levels)
        modes = ", ".join(("float32", *config.quantization.modes))
        self.say(
            f"{config.environment}  {config.agent.name.upper()}  {config.seeds} seeds x sparsity "
            f"{{{levels}}} x {{{modes}}}  on {devices} device{'s' * (devices != 1)}"
        )
        self.say(f"{self._total:,} environment steps in all; results in {out}")

    def phase(self, phase: Phase) -> None:
        self.say(
            f"{phase.label}: steps {phase.begin:,} to {phase.end:,}, {len(phase.members)} members"
        )

    def compiled(self, phase: Phase, seconds: float) -> None:
        self._compile_seconds += seconds

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        member_steps = steps * len(phase.members)
        self._done += member_steps
        if steps * len(phase.members) > 0 and seconds > 0:
            self._rate = member_steps / seconds

    def measured(self, phase: Phase, clock: int, metrics: Metrics) -> None:
        self.say(f"  step {clock:>9,}  {self.state(phase, metrics)}")

    def final_evaluation(self, phase: Phase) -> None:
        self.say(f"  final evaluation of {len(phase.members)} members")

    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None:
        phase = phases[index]
        self._done = sum(before.member_steps for before in phases[:index])
        self._done += (clock - phase.begin) * len(phase.members)
        self.say(f"continues from step {clock:,}, in {phase.label}")

    def saved(self, saved: Saved) -> None:
        self.say(
            f"  checkpoint {saved.path.name}: {in_bytes(saved.bytes)} in {saved.seconds:.1f} s"
        )

    def interrupted(self) -> None:
        self.say("interrupted: writing a checkpoint; interrupt again to stop at once, without it")

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    def finish(self, run: Run) -> None:
        minutes, seconds = divmod(round(time.perf_counter() - self._began), 60)
        table = run.summary()
        self.console.print()
        self.console.print(terminal_table(table))
        self.console.print()
        self.say(
            f"{minutes} min {seconds} s, of which {self._compile_seconds:.0f} s compiling the "
            f"training programs. Run directory: {run.path}"
        )

    def state(self, phase: Phase, metrics: Metrics) -> str:
        count = len(phase.members)
        parts = []
        for name, key in (("return", "return"), ("random return", "train_return")):
            if key in metrics and np.isfinite(metrics[key][:count]).any():
                parts.append(f"{name} {np.nanmean(metrics[key][:count]):.4g}")
                break
        achieved = metrics["sparsity"][:count]
        if achieved.max() > 0:
            parts.append(f"sparsity {achieved.min():.3g} to {achieved.max():.3g}")
        parts.append(f"{self._rate:,.0f} steps/s")
        if self._rate > 0:
            parts.append(f"{_minutes((self._total - self._done) / self._rate)} left")
        return "  ".join(parts)

    def stop(self) -> None:
        """Gives the terminal back, whatever happened."""

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class Terminal(Lines):
    """A bar that moves with every chunk, above it one line per phase."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._bars = Bars(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[state]}"),
            console=self.console,
        )
        self._task = self._bars.add_task("", total=1.0, state="")
        self._live = Live(self._bars, console=self.console, transient=True, refresh_per_second=4)
        self._last = ""
        self._clock = 0

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None:
        super().start(config, phases, out, devices)
        self._live.start()

    def phase(self, phase: Phase) -> None:
        self._show(phase, phase.begin, "compiling")

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        super().advance(phase, clock, steps, seconds)
        left = _minutes((self._total - self._done) / max(self._rate, 1e-9))
        self._clock = clock
        self._show(phase, clock, f"{self._last}{self._rate:,.0f} steps/s  {left} left")

    def measured(self, phase: Phase, clock: int, metrics: Metrics) -> None:
        count = len(phase.members)
        if np.isfinite(metrics.get("return", np.full(count, np.nan))[:count]).any():
            self._last = f"return {np.nanmean(metrics['return'][:count]):.4g}  "
        if metrics["sparsity"][:count].max() > 0:
            self._last += f"sparsity to {metrics['sparsity'][:count].max():.3g}  "
        if clock == phase.end:
            super().say(f"{phase.label:<16} to step {clock:>9,}  {self.state(phase, metrics)}")

    def final_evaluation(self, phase: Phase) -> None:
        self._show(phase, phase.end, "final evaluation")

    def finish(self, run: Run) -> None:
        self._live.stop()
        super().finish(run)

    def stop(self) -> None:
        self._live.stop()

    def _show(self, phase: Phase, clock: int, state: str) -> None:
        share = self._done / max(self._total, 1)
        self._bars.update(
            self._task, description=f"{phase.label} {clock:,}", completed=share, state=state
        )


def for_console() -> Lines:
    """`Terminal` where somebody watches, `Lines` where the output goes to a file or a pipe."""
    console = Console()
    return Terminal(console) if console.is_terminal else Lines(console)


def in_bytes(count: float) -> str:
    """A number of bytes as a person reads it: 512 B, 1.5 kB, 23 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
