"""Which devices a run uses. On a CPU, one virtual device per core; set before JAX starts."""

from __future__ import annotations

import os
from collections.abc import Sequence

import jax

from sparse_rl.config import ConfigError


def configure(devices: int) -> None:
    """Asks for `devices` virtual CPU devices (0: one per core); before JAX is first used.

    With several devices each gets one thread: the devices are the parallelism. Where an accelerator
    is there the setting is harmless.
    """
    wanted = devices or _cores()
    jax.config.update("jax_num_cpu_devices", wanted)
    if wanted > 1:
        flags = os.environ.get("XLA_FLAGS", "")
        if "xla_cpu_multi_thread_eigen" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


def _cores() -> int:
    """The cores that this process may use; where the system does not say, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose(devices: int) -> Sequence[jax.Device]:
    """The first `devices` devices, or all of them for 0."""
    available = jax.devices()
    if devices > len(available):
        raise ConfigError(f"devices: {devices} asked for; allowed: at most {len(available)}")
    return available[:devices] if devices else available
