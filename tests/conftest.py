"""How the tests compile: quickly, since most of their time is compiling, and each program once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from jax._src import compiler

from sparse_rl.population import executables
from sparse_rl.runtime.compilation_cache import tidy

# Compiling takes a third of the time so, and programs that run for a moment may be slow ones.
# What XLA does by itself stands behind, for tests that need it.
QUICK_AND_USUAL = {
    "xla_backend_optimization_level": ("0", "3"),
    "xla_llvm_disable_expensive_passes": ("true", "False"),
    "xla_cpu_parallel_codegen_split_count": ("1", "32"),
}
if jax.__version_info__ < (0, 11):  # later ones have no others
    QUICK_AND_USUAL["xla_cpu_use_fusion_emitters"] = ("false", "True")
# One thread per device, as in training: sums are then in the same order on every machine.
FLAGS = ["--xla_cpu_multi_thread_eigen=false"]
FLAGS += [f"--{name}={quick}" for name, (quick, _) in QUICK_AND_USUAL.items()]
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a long one that begins last keeps a single core busy."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module")
def compiled_as_usual() -> Iterator[None]:
    """Programs compiled as users' are: for tests that compare the bits of different programs.

    From the first test that asks for it to the end of its file. In this process only; another one
    is started without this environment's XLA_FLAGS.
    """
    usual = {name: value for name, (_, value) in QUICK_AND_USUAL.items()}
    options = compiler.get_compile_options

    def with_usual(*arguments: Any, env_options_overrides: Any = None, **named: Any) -> Any:
        chosen = usual | (env_options_overrides or {})
        return options(*arguments, env_options_overrides=chosen, **named)

    forget_programs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "get_compile_options", with_usual)
        yield
    forget_programs()


@pytest.fixture(autouse=True, scope="module")
def no_programs_of_other_files() -> Iterator[None]:
    """They would only take memory: what a file's tests train is trained in that file."""
    yield
    executables.forget()


def forget_programs() -> None:
    executables.forget()
    jax.clear_caches()
