"""The evaluations of a phase: one program, compiled when it is first needed, and what it took."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.executables import executable
from sparse_rl.runs.layout import RETURN_SPREAD
from sparse_rl.runtime import devices
from sparse_rl.study import episodes
from sparse_rl.study.episodes import Episodes
from sparse_rl.study.failures import named
from sparse_rl.study.measurement import measure
from sparse_rl.study.phases import Phase
from sparse_rl.study.preparation import Study
from sparse_rl.study.progress.evaluation import Metrics
from sparse_rl.study.progress.events import Progress


class Evaluations:
    """Evaluations of `episodes` episodes of every member; progress is told of their time."""

    def __init__(
        self, study: Study, phase: Phase, progress: Progress, *, final: bool = False
    ) -> None:
        settings = study.config.evaluation
        self._study, self._phase, self._progress, self._final = study, phase, progress, final
        self._episodes = settings.final_episodes if final else settings.episodes
        self._agent = study.agent(phase)
        self._program: Any = None

    def of(self, state: Cohorts) -> Metrics:
        """Returns and lengths of the episodes, and what training says of itself."""
        progress, phase = self._progress, self._phase
        progress.evaluates(phase, self._final)
        began = time.perf_counter()
        inputs = (*episodes.inputs(self._agent, state), self._clock(state))
        if self._program is None:
            study = self._study
            static = (self._agent, study.evaluation_environment, study.mesh, self._episodes)
            self._program = executable(episodes.evaluator, static, inputs)
        compiled = time.perf_counter()
        played = devices.to_host(self._program(*inputs))
        metrics, returns = measure(self._study, state), returns_of(played, state)
        self._say_who_failed(metrics, returns, state)
        seconds = time.perf_counter() - compiled
        count = self._episodes * len(phase.members)
        progress.evaluated(phase, count, compiled - began, seconds)
        return metrics | returns

    def _say_who_failed(self, metrics: Metrics, returns: Metrics, state: Cohorts) -> None:
        """Of members that have failed only in the evaluation, which learning had not shown."""
        members = self._phase.members
        new = np.isnan(metrics["failed"]) & (returns["failed"] == 1)
        if new[: len(members)].any():
            who = named(members, np.flatnonzero(new[: len(members)]))
            self._progress.warn(
                f"failed in the evaluation at step {int(state.clock):,}: {who} (an observation, an "
                f"action or a reward is not finite); it counts as failed in all tables"
            )

    def _clock(self, state: Cohorts) -> Int[Array, ""]:
        """The clock by which episodes are drawn: in final evaluations the same for all variants.

        Arithmetics end later than float32. With other episodes their differences from dense would
        have the noise of both.
        """
        if not self._final:
            return state.clock
        return jax.device_put(np.int32(self._study.config.training.steps), state.clock.sharding)


def returns_of(played: Episodes, state: Cohorts) -> Metrics:
    """Mean return and length of an evaluation's episodes, and the standard deviation of a return.

    There is none of members that have failed; those whose return is not a finite number have
    failed, too.
    """
    failed = state.read(lambda part: part.members.failed)
    failed = failed | ~np.isfinite(played.returns).all(axis=1)
    count = played.returns.shape[1]
    spread = played.returns.std(axis=1, ddof=1) if count > 1 else np.full(len(failed), np.nan)
    return {
        "failed": np.where(failed, 1.0, np.nan),
        "return": np.where(failed, np.nan, played.returns.mean(axis=1)),
        RETURN_SPREAD: np.where(failed, np.nan, spread),
        "episode_length": np.where(failed, np.nan, played.lengths.mean(axis=1)),
    }
