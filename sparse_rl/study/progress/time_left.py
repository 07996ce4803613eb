"""How long a study still takes, from what its parts have taken so far; nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sparse_rl.config.experiment import Config
from sparse_rl.study.phases import Phase

CHUNKS = 10
"""Of the present phase, whose speed counts for what is left."""
LEAST_SECONDS = 0.5
"""Of training, before its speed says something: a program's first chunk warms the machine up."""


class Work(NamedTuple):
    """What lies ahead, in units whose cost is measured.

    Attributes:
        collecting: member-steps of acting at random.
        learning: member-steps of training.
        programs: training programs to compile.
        evaluators: programs of an evaluation to compile.
        episodes: episodes of evaluations, those of all members.
    """

    collecting: int = 0
    learning: int = 0
    programs: int = 0
    evaluators: int = 0
    episodes: int = 0

    def __add__(self, other: Work) -> Work:  # type: ignore[override]
        return Work(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Left(NamedTuple):
    """Seconds that are left; `whole` says whether all that is ahead has been measured before."""

    seconds: float
    whole: bool


class Position(NamedTuple):
    """Where a phase is: its clock, which of its programs exist, and whether its end is evaluated.

    `final` says whether the last evaluation of its variants has been done.
    """

    clock: int
    compiled: bool = False
    evaluator: bool = False
    final: bool = False


def work_of(phase: Phase, config: Config, at: Position) -> Work:
    """What is left of one phase from `at` on, with its evaluations."""
    steps = max(phase.end - at.clock, 0) * len(phase.members)
    program = int(not at.compiled and steps > 0)
    if phase.acts_at_random:
        return Work(collecting=steps, programs=program)
    every = config.evaluation.every
    stops = -(-phase.end // every) - at.clock // every if at.clock < phase.end else 0
    work = Work(
        learning=steps,
        programs=program,
        evaluators=int(not at.evaluator and stops > 0),
        episodes=stops * len(phase.members) * config.evaluation.episodes,
    )
    if phase.end >= config.training.steps and not at.final:
        episodes = len(phase.members) * config.evaluation.final_episodes
        work += Work(evaluators=1, episodes=episodes)
    return work


class Pace:
    """What one unit of each kind of work has taken."""

    def __init__(self) -> None:
        # Replaced and never changed, because a live view reads it from another thread.
        self._chunks: tuple[tuple[str, int, float], ...] = ()
        self._collected = (0, 0.0)
        self._programs: list[float] = []
        self._evaluators: list[float] = []
        self._per_episode: float | None = None

    def advanced(self, phase: Phase, steps: int, seconds: float) -> None:
        """A chunk of a phase, in steps of one member."""
        count = steps * len(phase.members)
        if phase.acts_at_random:
            self._collected = (self._collected[0] + count, self._collected[1] + seconds)
        else:
            self._chunks = (*self._chunks, (phase.label, count, seconds))[-CHUNKS:]

    def compiled(self, seconds: float) -> None:
        """A training program."""
        self._programs.append(seconds)

    def evaluated(self, episodes: int, compiling: float, seconds: float) -> None:
        """An evaluation with so many episodes of all members together."""
        if compiling:
            self._evaluators.append(compiling)
        self._per_episode = seconds / max(episodes, 1)

    @property
    def compile_seconds(self) -> float:
        """Spent on compiling until now."""
        return sum(self._programs) + sum(self._evaluators)

    @property
    def rate(self) -> float | None:
        """Member-steps per second of training lately; None before it says something.

        Of the present phase, once that has run long enough.
        """
        latest = self._chunks
        own = tuple(chunk for chunk in latest if chunk[0] == latest[-1][0])
        for chunks in (own, latest):
            count, seconds = sum(c[1] for c in chunks), sum(c[2] for c in chunks)
            if seconds >= LEAST_SECONDS:
                return count / seconds
        return None

    def left(self, works: Sequence[Work]) -> Left | None:
        """How long these take together; None while the speed of what comes is not known."""
        ahead = sum(works, Work())
        rate, (collected, collecting) = self.rate, self._collected
        if (ahead.learning and rate is None) or (ahead.collecting and not collected):
            return None
        parts = [
            ahead.learning / rate if rate else 0.0,
            ahead.collecting * collecting / collected if collected else 0.0,
            ahead.programs * _mean(self._programs),
            ahead.evaluators * _mean(self._evaluators),
            ahead.episodes * (self._per_episode or 0.0),
        ]
        known = self._per_episode is not None or not ahead.episodes
        return Left(sum(parts), known)


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / len(seconds) if seconds else 0.0
