"""One, two and eight devices, and two processes, give the same results."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparse_rl.config.command_line import parse
from sparse_rl.config.error import ConfigError
from sparse_rl.runtime import devices
from sparse_rl.study.training import train

STUDY = """
environment: probe/termination?actions=continuous
network: {hidden: [8]}
replay: {capacity: 40, batch_size: 4}
training: {steps: 30, learning_starts: 6}
sparsity: {levels: [0, 0.5], interval: 3}
quantization: {modes: [int8], fraction: 0.4}
evaluation: {every: 6, episodes: 2, final_episodes: 2}
checkpoint: {every: 5, unit: steps}
"""


ENVIRONMENT = os.environ | {devices.OVERSUBSCRIBE: "1"}
"""Eight devices on any machine. Compiled as the other tests' programs are: two processes and two
devices run the same partitioned program."""
SEEDS = 3
"""On two devices one place is filled with a copy before the fork, and none after it."""


def start(*words: str, **others: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sparse_rl.train", *words],
        env=ENVIRONMENT | others,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(*processes: subprocess.Popen[str], status: int = 0) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=500)
        assert process.returncode == status, errors


def arguments(out: Path) -> list[str]:
    study = out.parent / "study.yaml"
    study.write_text(STUDY)
    return [str(study), "--seeds", str(SEEDS), "--out", str(out)]


def run(out: Path, count: int) -> Path:
    """In this process, which has two devices."""
    return train(parse([*arguments(out), "--devices", str(count)])).path


@pytest.fixture(scope="module")
def on_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("two") / "run", 2)


def rows(path: Path) -> pd.DataFrame:
    return pd.read_csv(path / "metrics.csv")


def assert_close(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """The same rows in the same order; values to the order of summation over a short run."""
    pd.testing.assert_frame_equal(one.drop(columns="value"), other.drop(columns="value"))
    np.testing.assert_allclose(one["value"], other["value"], rtol=1e-3, atol=1e-5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_any_number_of_devices_gives_the_same_results(tmp_path: Path, on_two: Path) -> None:
    # Beside this process, so with a cache of its own: JAX writes there without a lock. Of three
    # seeds five copies are made for eight devices.
    cache = str(tmp_path / "compiled")
    words = [*arguments(tmp_path / "eight"), "--devices", "8"]
    eight = start(*words, JAX_COMPILATION_CACHE_DIR=cache)
    one = rows(run(tmp_path / "one", 1))
    assert_close(rows(on_two), one)
    end(eight)
    assert_close(rows(tmp_path / "eight"), one)


def two_processes(*words: str) -> list[subprocess.Popen[str]]:
    shared = ["--devices", "1", "--distributed.coordinator", f"localhost:{free_port()}"]
    return [
        start(*words, *shared, "--distributed.processes", "2", "--distributed.index", index)
        for index in ("0", "1")
    ]


def assert_same(one: Path, other: Path) -> None:
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    for policy in (one / "policies").iterdir():
        assert (other / "policies" / policy.name).read_bytes() == policy.read_bytes()


@pytest.mark.slow
def test_two_processes_give_the_bits_of_two_devices(tmp_path: Path, on_two: Path) -> None:
    end(*two_processes(*arguments(tmp_path / "double")))
    assert_same(tmp_path / "double", on_two)

    # A signal to one of two stops both; one process alone goes on with what they wrote.
    stopped = tmp_path / "stopped"
    processes = two_processes(*arguments(stopped))
    assert processes[0].stdout is not None
    while not processes[0].stdout.readline().startswith("prune"):
        assert processes[0].poll() is None
    processes[1].send_signal(signal.SIGTERM)
    end(*processes, status=143)
    (newest, *_) = sorted((stopped / "checkpoints").glob("0*"), reverse=True)
    written = sorted(path.name for path in newest.glob("*.safetensors"))
    assert written == [
        f"{kind}-{index}.safetensors" for kind in ("members", "memory") for index in (0, 1)
    ]
    train(parse(["--resume", str(stopped), "--devices", "2"]))
    assert_same(stopped, on_two)


def test_slurm_is_recognised() -> None:
    assert devices.slurm_tasks({}) == 1
    assert devices.slurm_tasks({"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "4"}) == 4
    assert devices.slurm_tasks({"SLURM_STEP_NUM_TASKS": "4"}) == 1
    assert devices.slurm_tasks({"SLURM_JOB_ID": "7"}) == 1


def test_more_devices_than_there_are() -> None:
    with pytest.raises(ConfigError, match="devices: found 3; allowed: at most 2"):
        devices.choose(3)
    assert len(devices.choose(0)) == 2
    assert len(devices.choose(1)) == 1


def test_more_devices_than_cores_can_share_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 2)
    devices.configure(8)
    with pytest.raises(ConfigError, match=r"^devices: found 9; allowed: at most 8, 4 per core"):
        devices.configure(9)
    monkeypatch.setenv(devices.OVERSUBSCRIBE, "1")
    devices.configure(9)


@pytest.mark.parametrize(
    ("installed", "told", "flags"),
    [
        ([], "", "--xla_cpu_multi_thread_eigen=false"),
        (
            ["jax_cuda13_plugin"],
            "--xla_dump_to=x",
            "--xla_dump_to=x --xla_cpu_multi_thread_eigen=false --xla_gpu_enable_triton_gemm=false",
        ),
        (
            ["jax_cuda12_plugin"],
            "--xla_gpu_enable_triton_gemm=true",
            "--xla_gpu_enable_triton_gemm=true --xla_cpu_multi_thread_eigen=false",
        ),
    ],
)
def test_options_of_xla_are_set_where_the_environment_has_not(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], told: str, flags: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in installed or None)
    monkeypatch.setenv("XLA_FLAGS", told)
    devices.configure(2)
    assert os.environ["XLA_FLAGS"] == flags


def test_one_process_agrees_with_itself() -> None:
    assert devices.all_max(2.0**40 + 1) == 2.0**40 + 1
    np.testing.assert_array_equal(devices.all_gather([3, 2**32 - 1]), [[3, 2**32 - 1]])
