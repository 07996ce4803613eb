"""ONNX Runtime called from C, through the library that its Python package brings.

The package brings no header. Its interface is a table of function pointers to which functions are
only ever appended, so those that are needed here are called by their place in it (ONNX Runtime,
`onnxruntime_c_api.h`, `struct OrtApi`).
"""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.compiler import compile_c
from sparse_rl.artifact.cost.latency import CLOCK, Latency, of_samples


def library() -> Path | None:
    """The shared library of the installed package."""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        return None
    return next((Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*"), None)


def latency_from_c(
    model: bytes, observations: NDArray[np.float32], calls: int, compiler: str | None = None
) -> tuple[Latency, NDArray[np.float32]]:
    """Single calls of a model [1, n] -> [1, m] of floats, one thread, input and output in place.

    Also the first observation's action. Raises ValueError where the library is not there or
    refuses, with what it says.
    """
    runtime = library()
    if runtime is None:
        raise ValueError("onnxruntime brings no library that C could load")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "actor.onnx").write_bytes(model)
        (directory / "observations").write_bytes(observations.astype("<f4").tobytes())
        (directory / "caller.c").write_text(CALLER)
        program = compile_c(
            directory / "caller",
            [directory / "caller.c"],
            "-D_POSIX_C_SOURCE=199309L",
            compiler=compiler,
        )
        words = [program, runtime, directory / "actor.onnx", directory / "observations"]
        sizes = [len(observations), observations.shape[1], calls]
        done = subprocess.run([*map(str, [*words, *sizes])], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"ONNX Runtime from C: {done.stderr.strip() or done.returncode}")
    first, *times = done.stdout.splitlines()
    action = np.array(first.split(), np.float32)
    return of_samples(np.array(times, np.int64)), action


CALLER = (
    r"""
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGE = 2, ENVIRONMENT = 3, SESSION = 7, RUN = 9, OPTIONS = 10, THREADS = 24,
       TENSOR = 49, DATA = 51, COUNT = 64, SHAPE = 65, MEMORY = 69 };
enum { WARNING = 2, FLOAT = 1, DEVICE = 0, USUAL = 0, VERSION = 16, MOST = 64 };

struct base { const void *const *(*table)(uint32_t version); const char *(*version)(void); };

static const void *const *api;

static void check(void *status)
{
    if (!status) return;
    fprintf(stderr, "%s\n", ((const char *(*)(void *))api[MESSAGE])(status));
    exit(1);
}

"""
    + CLOCK
    + r"""int main(int count, char **words)
{
    const char *in[] = {"observation"}, *out[] = {"action"};
    static float action[MOST];
    void *library, *environment, *options, *session, *memory, *tensors[1], *results[1] = {NULL};
    long number, width, calls, k, start, empty, *times;
    int64_t shape[2] = {1, 0};
    float *observations, *input, *made;
    int outputs = 0, i;
    FILE *file;
    if (count != 7 || !(library = dlopen(words[1], RTLD_NOW))) {
        fprintf(stderr, "%s\n", count != 7 ? "usage" : dlerror());
        return 1;
    }
    api = (*(const struct base *(**)(void))(void *[]){dlsym(library, "OrtGetApiBase")})()
        ->table(VERSION);
    number = atol(words[4]), width = atol(words[5]), calls = atol(words[6]);
    observations = malloc((size_t)(number * width) * sizeof *observations);
    input = malloc((size_t)width * sizeof *input);
    times = malloc((size_t)calls * sizeof *times);
    file = fopen(words[3], "rb");
    if (!api || !file || !observations || !input || !times) return 1;
    if (fread(observations, sizeof *observations * (size_t)width, (size_t)number, file)
        != (size_t)number) return 1;
    fclose(file);
    check(((void *(*)(int, const char *, void **))api[ENVIRONMENT])(WARNING, "", &environment));
    check(((void *(*)(void **))api[OPTIONS])(&options));
    check(((void *(*)(void *, int))api[THREADS])(options, 1));
    check(((void *(*)(void *, const char *, void *, void **))api[SESSION])(
        environment, words[2], options, &session));
    check(((void *(*)(int, int, void **))api[MEMORY])(DEVICE, USUAL, &memory));
    shape[1] = width;
    check(((void *(*)(void *, void *, size_t, const int64_t *, size_t, int, void **))api[TENSOR])(
        memory, input, (size_t)width * sizeof *input, shape, 2, FLOAT, tensors));
#define RUN_IT() check(((void *(*)(void *, void *, const char **, void **, size_t, const char **, \
    size_t, void **))api[RUN])(session, NULL, in, tensors, 1, out, 1, results))
    memcpy(input, observations, (size_t)width * sizeof *input);
    RUN_IT();
    check(((void *(*)(void *, void **))api[DATA])(results[0], (void **)&made));
    {
        void *form;
        size_t elements;
        check(((void *(*)(void *, void **))api[SHAPE])(results[0], &form));
        check(((void *(*)(void *, size_t *))api[COUNT])(form, &elements));
        outputs = elements < MOST ? (int)elements : MOST;
    }
    for (i = 0; i < outputs; i++) printf("%.9g ", (double)made[i]);
    printf("\n");
    /* From here on the output is written where it is wanted. */
    shape[1] = outputs;
    check(((void *(*)(void *, void *, size_t, const int64_t *, size_t, int, void **))api[TENSOR])(
        memory, action, (size_t)outputs * sizeof *action, shape, 2, FLOAT, results));
    for (k = 0; k < calls; k++) { start = now(); times[k] = now() - start; }
    qsort(times, (size_t)calls, sizeof *times, compare);
    empty = times[calls / 2];
    for (k = -(calls < 2000 ? calls : 2000); k < calls; k++) {
        const float *o = observations + (k + calls) % number * width;
        start = now();
        memcpy(input, o, (size_t)width * sizeof *input);
        RUN_IT();
        if (k >= 0) times[k] = now() - start - empty;
    }
    for (k = 0; k < calls; k++) printf("%ld\n", times[k]);
    return 0;
}
"""
)
