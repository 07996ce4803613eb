"""Timing of training programs, which take a number of iterations and the memory of their state."""

import time
from typing import Any

import jax
import numpy as np

from benchmarks import harness

MOST_ITERATIONS = 100_000


def compile_chunk(chunk: Any, state: Any) -> tuple[Any, float]:
    """The compiled program of a `population.chunks.Chunk`, and the seconds that it took."""
    began = time.perf_counter()
    compiled = chunk.lower(state, np.int32(0)).compile()
    return compiled, time.perf_counter() - began


def time_chunk(
    compiled: Any, compile_seconds: float, state: Any, seconds: float, repeats: int
) -> tuple[harness.Timing, Any]:
    """Seconds of one iteration, and the state after all of them; `state` is used up.

    Every repeat has as many iterations as take about `seconds`; they are `calls` of the timing.
    """

    def run(iterations: int) -> float:
        nonlocal state
        began = time.perf_counter()
        state = jax.block_until_ready(compiled(state, np.int32(iterations)))
        return time.perf_counter() - began

    first = run(1)
    iterations, taken = 2, run(2)
    while taken < seconds / 4 and iterations < MOST_ITERATIONS:
        iterations *= 4
        taken = run(iterations)
    iterations = min(max(1, round(seconds * iterations / taken)), MOST_ITERATIONS)
    before = time.process_time()
    each = [run(iterations) / iterations for _ in range(repeats)]
    processor = (time.process_time() - before) / (repeats * iterations)
    timing = harness.Timing(
        compile_seconds,
        first,
        float(np.median(each)),
        min(each),
        max(each),
        processor,
        repeats,
        iterations,
    )
    return timing, state
