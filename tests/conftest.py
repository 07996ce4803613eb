"""Tests share compiled programs through a cache on disk: most of their time is compiling."""

import os

import jax

# One thread per device, as in training: sums are then in the same order on every machine.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
jax.config.update("jax_num_cpu_devices", 2)
