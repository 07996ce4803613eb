"""The evaluations of a phase: one program, compiled when it is first needed, and what it took."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.executables import executable
from sparse_rl.study import evaluation
from sparse_rl.study.measurement import evaluated
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
        clock = self._clock(state)
        if self._program is None:
            study = self._study
            static = (self._agent, study.evaluation_environment, study.mesh, self._episodes)
            inputs = evaluation.evaluation_inputs(self._agent, state)
            self._program = executable(evaluation.evaluator, static, (*inputs, clock))
        compiled = time.perf_counter()
        metrics = evaluated(
            self._study, self._agent, self._program, state, clock, phase.members, progress.warn
        )
        seconds = time.perf_counter() - compiled
        episodes = self._episodes * len(phase.members)
        progress.evaluated(phase, episodes, compiled - began, seconds)
        return metrics

    def _clock(self, state: Cohorts) -> Int[Array, ""]:
        """The clock by which episodes are drawn: in final evaluations the same for all variants.

        Arithmetics end later than float32. With other episodes their differences from dense would
        have the noise of both.
        """
        if not self._final:
            return state.clock
        return jax.device_put(np.int32(self._study.config.training.steps), state.clock.sharding)
