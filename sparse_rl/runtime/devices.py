"""Which devices and processes share a run, and how processes agree.

On a CPU there is one virtual device per core; their number is set before JAX starts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Float

from sparse_rl.config.error import ConfigError
from sparse_rl.config.sections import DistributedConfig

PER_CORE = 4
"""Virtual devices that may share a core. More than one gains only where others compute too.

A core is shared between threads and not between programs, and each device is a thread.
"""
OVERSUBSCRIBE = "SPARSE_RL_OVERSUBSCRIBE"
"""The environment variable that allows still more of them, which only tests want."""


CUDA_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
"""What makes JAX find NVIDIA GPUs; of them one is installed where `sparse_rl[gpu]` is."""


def configure(devices: int, distributed: DistributedConfig | None = None) -> None:
    """Asks for `devices` virtual CPU devices (0: one per core) and joins the other processes.

    Call it before JAX is first used; after that the number of devices stays as it is. With several
    devices each gets one thread: the devices are the parallelism. Where an accelerator is there
    the setting is harmless. On NVIDIA GPUs products are cuBLAS's alone: what XLA gains by trying
    Triton's beside them is less than what the trying costs (benchmarks/NOTES.md); either way around
    in the environment's XLA_FLAGS has precedence. Raises `ConfigError` for more than `PER_CORE`
    devices a core.
    """
    wanted = devices or cores()
    with contextlib.suppress(RuntimeError):  # JAX has started; `choose` takes what there is
        jax.config.update("jax_num_cpu_devices", wanted)
    if wanted > 1:
        set_flag("xla_cpu_multi_thread_eigen", "false")
    if any(importlib.util.find_spec(plugin) for plugin in CUDA_PLUGINS):
        set_flag("xla_gpu_enable_triton_gemm", "false")
    if distributed is not None:
        join(distributed)
    most = PER_CORE * cores()
    if devices > most and OVERSUBSCRIBE not in os.environ and jax.default_backend() == "cpu":
        raise ConfigError(
            f"devices: found {devices}; allowed: at most {most}, "
            f"{PER_CORE} per core of this machine"
        )


def set_flag(name: str, value: str) -> None:
    """Sets one of XLA's options for this process, where the environment has not."""
    flags = os.environ.get("XLA_FLAGS", "")
    if name not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{name}={value}".strip()


def exact_products() -> contextlib.AbstractContextManager[Any]:
    """Within it, products of float32 numbers are those, where nothing else is asked for.

    JAX would round their factors to the 11 bits of TF32 on a GPU that has it, physics included, and
    say nothing. A CPU has no such default.
    """
    if jax.default_backend() == "cpu":
        return contextlib.nullcontext()
    return jax.default_matmul_precision("float32")


def require_precision(precision: str) -> None:
    """Raises `ConfigError` where this machine's products cannot have that precision."""
    if precision != "float32" and jax.default_backend() == "cpu":
        raise ConfigError(
            f"training.precision: found {precision}, and a CPU has no faster products than "
            f"float32; allowed here: float32"
        )


def join(distributed: DistributedConfig) -> None:
    """Waits for the other processes, if there are any. Raises `ConfigError` if they do not come."""
    address = distributed.coordinator
    try:
        if distributed.processes > 1:
            jax.distributed.initialize(address, distributed.processes, distributed.index)
        elif not address and slurm_tasks(os.environ) > 1:
            jax.distributed.initialize()
    except RuntimeError as error:
        raise ConfigError(
            f"distributed.coordinator: {address or 'of Slurm'}: {str(error).splitlines()[0]}"
        ) from None


def slurm_tasks(environment: Mapping[str, str]) -> int:
    """How many processes Slurm has started for this step; 1 outside of it."""
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "1")
    return int(tasks) if "SLURM_JOB_ID" in environment and tasks.isdecimal() else 1


def cores() -> int:
    """The cores that this process may use; where the system does not say, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose(devices: int) -> Sequence[jax.Device]:
    """The first `devices` devices of every process, or all of them for 0."""
    available = len(jax.local_devices())
    if devices > available:
        raise ConfigError(
            f"devices: found {devices}; allowed: at most {available}{_why_so_few(devices)}"
        )
    chosen: list[jax.Device] = []
    for process in range(jax.process_count()):
        own = [device for device in jax.devices() if device.process_index == process]
        chosen += own[:devices] if devices else own
    return chosen


def fewer_than_asked(devices: int) -> str:
    """One line where one device per core was meant, and JAX had started with fewer; else empty."""
    available = len(jax.local_devices())
    why = _why_so_few(cores()) if devices == 0 and available < cores() else ""
    return f"devices: {available} for {cores()} cores{why}" if why else ""


def _why_so_few(wanted: int) -> str:
    """Why a CPU has fewer than `wanted` devices, where it is because JAX was used too early."""
    if jax.default_backend() != "cpu" or wanted > cores():
        return ""
    return (
        ", because JAX was used in this process before sparse_rl.train, and cannot be given more "
        "now; in a new process, train first"
    )


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return jax.process_index() == 0


def all_gather(numbers: Sequence[float]) -> Float[np.ndarray, "processes n"]:
    """The numbers of all processes; all must call it at the same point: it is a barrier."""
    own = np.array(numbers, np.float64)
    if jax.process_count() == 1:
        return own[None]
    # As pairs of words: JAX has no doubles by default.
    words = np.asarray(multihost_utils.process_allgather(own.view(np.uint32)))
    return np.ascontiguousarray(words, np.uint32).reshape(-1, 2 * own.size).view(np.float64)


def all_max(number: float) -> float:
    """The largest of all processes' numbers."""
    return float(all_gather([number]).max())


def to_host(tree: Any) -> Any:
    """The arrays of a tree as NumPy arrays, whole, in every process."""
    if all(leaf.is_fully_addressable for leaf in jax.tree.leaves(tree)):
        return jax.device_get(tree)
    return multihost_utils.process_allgather(tree, tiled=True)
