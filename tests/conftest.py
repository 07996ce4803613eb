"""Tests share compiled programs through a cache on disk: most of their time is compiling."""

import os
from pathlib import Path

import jax

from sparse_rl.machine.compilation_cache import tidy

# One thread per device, as in training: sums are then in the same order on every machine.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
jax.config.update("jax_num_cpu_devices", 2)

# Each worker has its own cache: JAX writes there without a lock, and half a program can crash it.
# As environment variables, because some tests start Python anew.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "compiled" / WORKER
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(COMPILED)
tidy(COMPILED, COMPILED)  # some tests kill programs, perhaps while they write there
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
jax.config.update("jax_compilation_cache_dir", str(COMPILED))
jax.config.update(
    "jax_persistent_cache_min_compile_time_secs",
    float(os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]),
)
