"""Time of one action, measured call by call: median and 99th percentile."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.c_source import Source
from sparse_rl.artifact.compiler import compile_c

_CALLS = 20_000
_SAID = 100
"""Characters of a program's last words."""
_WARM_UP = 2_000


class TimingError(ValueError):
    """The program that times an actor ended without times."""


@dataclass(frozen=True)
class Latency:
    """Microseconds per action at batch size one."""

    median: float
    p99: float
    calls: int


def of_samples(nanoseconds: NDArray) -> Latency:
    """Statistics of single-call times."""
    median, p99 = np.percentile(nanoseconds, [50, 99]) / 1000
    return Latency(float(median), float(p99), len(nanoseconds))


def of_function(
    act: Callable[[NDArray], object], observations: NDArray, calls: int = _CALLS
) -> Latency:
    """A Python callable, given one observation of `observations` after the other."""
    times = np.empty(calls, np.int64)
    one_by_one = [observations[k : k + 1] for k in range(len(observations))]
    for k in range(-min(_WARM_UP, calls), calls):
        observation = one_by_one[k % len(one_by_one)]
        start = time.perf_counter_ns()
        act(observation)
        times[k] = time.perf_counter_ns() - start
    return of_samples(times)


def of_onnx(model: bytes, observations: NDArray, calls: int = _CALLS) -> Latency:
    """A model in ONNX Runtime, one thread, called from Python; raises ImportError without it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return of_function(lambda x: session.run(None, {"observation": x}), observations, calls)


def of_source(
    source: Source, observations: NDArray, calls: int = _CALLS, compiler: str | None = None
) -> Latency:
    """A generated artifact, compiled with -O3 -march=native and timed by a C program.

    Every call is timed by itself; the time that reading the clock takes (the median of empty
    measurements, some 20 ns) is subtracted. Raises CompilationError, TimingError.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        program = build_timer(source, directory, compiler)
        return of_samples(run_timer(program, directory, observations, calls))


def build_timer(source: Source, directory: Path, compiler: str | None = None) -> Path:
    """The artifact compiled together with the timing program."""
    source.write(directory)
    return build_written_timer(directory, compiler)


def build_written_timer(directory: Path, compiler: str | None = None) -> Path:
    """The same for an `srl_actor.c` and its header that are in `directory` already."""
    (directory / "timer.c").write_text(TIMER)
    files = [directory / "timer.c", directory / "srl_actor.c"]
    return compile_c(directory / "timer", files, "-D_POSIX_C_SOURCE=199309L", compiler=compiler)


def run_timer(program: Path, directory: Path, observations: NDArray, calls: int) -> NDArray:
    """Nanoseconds of single calls. Raises TimingError where the program does not give so many."""
    kind = np.float32 if observations.dtype == np.float32 else np.uint8
    (directory / "observations").write_bytes(np.ascontiguousarray(observations, kind).tobytes())
    command = [str(program), str(directory / "observations"), str(calls)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:  # compiled for another machine, or in a place where nothing may run
        raise TimingError(f"the timing program does not run: {error.strerror}") from None
    if done.returncode:
        # Negative where a signal ended it: -4 is an instruction that this processor does not have.
        said = " ".join(done.stderr.split())[:_SAID]
        ended = f"the timing program ended with status {done.returncode}"
        raise TimingError(f"{ended}: {said}" if said else ended)
    times = done.stdout.split()
    numbers = sum(word.lstrip("-").isdigit() for word in times)
    if not numbers == len(times) == calls:
        raise TimingError(f"the timing program gave {numbers} times; asked for: {calls}")
    return np.array(times, np.int64)


CLOCK = r"""
static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000000000L + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    return (*(const long *)a > *(const long *)b) - (*(const long *)a < *(const long *)b);
}

"""
"""C: nanoseconds now, and how qsort compares them."""

TIMER = (
    r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "srl_actor.h"
"""
    + CLOCK
    + r"""int main(int count, char **arguments)
{
    static srl_action action[SRL_ACTION_SIZE];
#ifdef SRL_SCRATCH_BYTES
    static srl_scratch scratch; /* the largest actors have more than a stack holds */
#endif
    long calls = count > 2 ? atol(arguments[2]) : 0, k, number, empty, start;
    long *times = malloc((size_t)(calls + 1) * sizeof *times);
    FILE *file = count > 2 ? fopen(arguments[1], "rb") : NULL;
    srl_observation *observations;
    volatile double sink = 0;
    if (!file || !times || calls < 1) return 1;
    fseek(file, 0, SEEK_END);
    number = ftell(file) / (long)sizeof(srl_observation) / SRL_OBSERVATION_SIZE;
    rewind(file);
    observations = malloc((size_t)number * SRL_OBSERVATION_SIZE * sizeof *observations);
    if (!observations || number < 1) return 1;
    if (fread(observations, sizeof *observations * SRL_OBSERVATION_SIZE, (size_t)number, file)
        != (size_t)number) return 1;
    fclose(file);
    for (k = 0; k < calls; k++) { start = now(); times[k] = now() - start; }
    qsort(times, (size_t)calls, sizeof *times, compare);
    empty = times[calls / 2];
    for (k = -(calls < 2000 ? calls : 2000); k < calls; k++) {
        const srl_observation *o = observations + (k + calls) % number * SRL_OBSERVATION_SIZE;
        start = now();
#ifdef SRL_SCRATCH_BYTES
        srl_act_in(&scratch, o, action);
#else
        srl_act(o, action);
#endif
        if (k >= 0) times[k] = now() - start - empty;
        sink += (double)action[0];
    }
    for (k = 0; k < calls; k++) printf("%ld\n", times[k]);
    free(observations);
    free(times);
    return 0;
}
"""
)
