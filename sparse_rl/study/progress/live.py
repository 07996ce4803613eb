"""Progress that is drawn anew all the time: two bars, and a table of the variants under them."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sparse_rl.config.experiment import Config
from sparse_rl.console import console
from sparse_rl.runs.run import Run
from sparse_rl.study.phases import Phase
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.progress.lines import Lines, in_words
from sparse_rl.summary.table import fitting
from sparse_rl.units import in_figures, in_time

BAR, WIDE_BAR, WIDE, NARROW = 12, 30, 104, 72
"""Columns of a bar, of one in a terminal of so many columns or more, and of a terminal that is too
narrow for what stands beside the bars."""
HEADINGS = ("variant", "return", "lowest seed", "sparsity", "seeds", "evaluated at")
LEFT_OUT = ("evaluated at", "seeds", "sparsity", "lowest seed")
"""Columns of the table that a narrow terminal goes without, one after the other."""
OTHER_LINES = 6
"""Of the screen besides the table's rows: the bars, the heading, and room to see what was said."""


class Screen(Lines):
    """Keeps what the live views show; what is said stays above them."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._doing = ""
        self._latest: dict[str, Evaluation] = {}
        self._drawn_table: tuple[tuple[int, int, int], Text] = ((0, 0, 0), Text())

    def phase(self, phase: Phase) -> None:
        self.enter(phase)
        self._doing = "compiling"
        self.changed()

    def compiled(self, phase: Phase, seconds: float) -> None:
        super().compiled(phase, seconds)
        self._doing = ""
        self.changed()

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        super().advance(phase, clock, steps, seconds)
        self._doing = ""
        self.changed()

    def evaluates(self, phase: Phase, final: bool) -> None:
        self._doing = "final evaluation" if final else "evaluating"
        self.changed()

    def measured(self, phase: Phase, evaluation: Evaluation) -> None:
        self._latest = self._latest | dict.fromkeys(evaluation.returns, evaluation)
        if evaluation.final:
            self.at = self.at._replace(final=True)
        if evaluation.final or evaluation.step == phase.end:
            word = "final" if evaluation.final else "to step"
            self.say(f"{phase.label:<16} {word:<7} {evaluation.step:>9,}  {self.state(evaluation)}")
        self._doing = ""
        self.changed()

    def changed(self) -> None:
        """Called when there is something new to show."""

    def view(self, rows: int) -> RenderableType:
        """The bars of the phase and of the study, and at most so many variants.

        Without markup, which what is said above forbids for as long as it prints.
        """
        if self.index < 0:
            return ""
        phase = self.phases[self.index]
        steps = phase.end - phase.begin
        grid = Table.grid(padding=(0, 2, 0, 0))
        bar = WIDE_BAR if self.console.width >= WIDE else BAR
        here, all_of_it = self.phase_left(), self.study_left()
        rate = f"{self.pace.rate:,.0f} steps/s" if self.pace.rate else ""
        # A narrow terminal has room for what is left, and not for what it follows from.
        narrow = self.console.width < NARROW
        grid.add_row(
            Text(phase.label, "bold"),
            ProgressBar(max(steps, 1), self.at.clock - phase.begin, width=bar),
            f"{100 * (self.at.clock - phase.begin) / max(steps, 1):3.0f} %",
            *([] if narrow else [f"step {self.at.clock:,} of {phase.end:,}"]),
            self._doing or (in_words(here) if here else rate),
        )
        share, elapsed = self.done_share(), time.perf_counter() - self.began
        grid.add_row(
            Text("study", "bold"),
            ProgressBar(1.0, share, width=bar),
            f"{100 * share:3.0f} %",
            *([] if narrow else [f"{in_time(elapsed)} so far"]),
            in_words(all_of_it) if all_of_it else "time left not known yet",
        )
        if not self._latest:
            return grid
        return Group(grid, "", self._laid_out(rows, self.console.width))

    def _laid_out(self, rows: int, width: int) -> Text:
        """The table, whose cells are only measured and laid out when there are new numbers."""
        key = (id(self._latest), rows, width)
        if self._drawn_table[0] != key:
            # Within a notebook a console would show a block of its own, an empty one.
            console = Console(
                file=io.StringIO(), width=width, force_terminal=True, force_jupyter=False
            )
            with console.capture() as captured:
                latest = self._latest
                console.print(
                    fitting(lambda kept: standings(latest, rows, kept), HEADINGS, LEFT_OUT, width)
                )
            self._drawn_table = key, Text.from_ansi(captured.get().rstrip("\n"))
        return self._drawn_table[1]


def standings(
    latest: dict[str, Evaluation], rows: int, headings: Sequence[str] = HEADINGS
) -> Table:
    """Each variant at its last evaluation; where they are too many, the latest of them."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "variant" else "right", no_wrap=True)
    names = sorted(latest, key=lambda name: latest[name].step, reverse=True)[: max(rows, 1)]
    for name in [name for name in latest if name in names]:
        found = latest[name]
        mean, lowest, failed = found.means[name], found.lowest[name], found.failed[name]
        count = len(found.returns[name])
        cells = {
            "variant": f"[bold]{name}[/bold]",
            "return": _number(mean),
            "lowest seed": _number(lowest),
            "sparsity": f"{100 * found.sparsity[name]:.2f} %",
            "seeds": f"[red]{count - failed} of {count}[/red]" if failed else f"{count}",
            "evaluated at": _when(found),
        }
        table.add_row(*(cells[heading] for heading in headings))
    if len(names) < len(latest):
        table.add_row(f"and {len(latest) - len(names)} more")
    return table


class Terminal(Screen):
    """The view at the bottom of a terminal; gone when the study is done."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._live = Live(
            get_renderable=self._whole,
            console=self.console,
            transient=True,
            refresh_per_second=1,
        )

    def start(self, config: Config, phases: Sequence[Phase], out: Path, devices: int) -> None:
        super().start(config, phases, out, devices)
        self._live.start()

    def finish(self, run: Run) -> None:
        self._live.stop()
        super().finish(run)

    def stop(self) -> None:
        self._live.stop()

    def _whole(self) -> RenderableType:
        return self.view(self.console.height - OTHER_LINES)


class Notebook(Screen):
    """The view below a notebook's cell; what is said is printed there as well.

    It is one output that is written anew; no widgets are needed.
    """

    ROWS = 40
    EVERY = 1.0
    """Seconds between two drawings."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._handle: Any = None
        self._drawn = -math.inf

    def changed(self) -> None:
        now = time.perf_counter()
        if now - self._drawn < self.EVERY and self._handle is not None:
            return
        self._drawn = now
        shown = _Html(self.view(self.ROWS))
        if self._handle is None:
            from IPython.display import display

            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def finish(self, run: Run) -> None:
        self.stop()
        super().finish(run)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.update(_Html(""))
            self._handle = None


class _Html:
    """Something that rich can draw, as HTML in a notebook and as text elsewhere."""

    def __init__(self, shown: RenderableType) -> None:
        console = Console(file=io.StringIO(), record=True, width=100, force_jupyter=False)
        console.print(shown)
        self._text = console.export_text(clear=False)
        code = '<pre style="line-height:1.3">{code}</pre>'
        self._html = console.export_html(inline_styles=True, code_format=code) if shown else ""

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def _when(found: Evaluation) -> str:
    if found.random:
        return "random play"
    return "final" if found.final else f"{found.step:,}"


def _number(value: float) -> str:
    return in_figures(value) if math.isfinite(value) else "-"


def for_console() -> Lines:
    """A live view where somebody watches, `Lines` where the output goes to a file or a pipe."""
    if Console().is_jupyter:
        return Notebook(console())
    found = console()
    return Terminal(found) if found.is_terminal else Lines(found)
