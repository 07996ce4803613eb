"""What Weights & Biases is given: against a module that keeps its rules, and the package itself."""

import importlib.util
import json
import struct
import sys
import time
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparse_rl.architecture import Dense, Network, Observation, Squash
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.sections import LogConfig, SparsityConfig
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.runs.wandb_runs import STATE, WandbRuns
from sparse_rl.study.phases import Member, Phase
from sparse_rl.study.recording import Recorder, rows_of

MakeRun = Callable[..., Path]
NETWORK = Network(Observation((3,)), (), (Dense("mean", 1),), Squash((-2.0,), (2.0,)))
VARIANTS = {
    variant.name: variant
    for level in (0.0, 0.9)
    for variant in (Variant(sparsity=level), Variant(sparsity=level, arithmetic="int8"))
}


class Wandb(types.ModuleType):
    """Keeps W&B's rules: a run's steps must rise, also after it was opened again by its id."""

    def __init__(self, refusal: str = "") -> None:
        super().__init__("wandb")
        self.__spec__ = ModuleSpec("wandb", None)
        self.runs: dict[str, "WandbRun"] = {}
        self.refusal = refusal

    def Settings(self, **settings: Any) -> dict[str, Any]:
        return settings

    def init(self, **given: Any) -> "WandbRun":
        if self.refusal:
            raise RuntimeError(self.refusal)
        run = self.runs.setdefault(given["id"], WandbRun(given))
        run.is_open = True
        return run

    def named(self, name: str) -> "WandbRun":
        (found,) = [run for run in self.runs.values() if run.given["name"] == name]
        return found


class WandbRun:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.points: list[tuple[int, dict[str, float]]] = []
        self.summary: dict[str, float] = {}
        self.is_open = True
        self.exit_code: int | None = None

    def log(self, values: dict[str, float], step: int, commit: bool) -> None:
        assert self.is_open and commit
        assert not self.points or step > self.points[-1][0], "W&B drops what does not rise"
        self.points.append((step, values))

    def finish(self, exit_code: int = 0) -> None:
        self.is_open, self.exit_code = False, exit_code


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    module = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


@pytest.fixture
def metrics(make_run: MakeRun) -> pd.DataFrame:
    return Run(make_run(seeds=2, levels=(0.0, 0.9))).metrics


def test_one_run_for_each_variant_and_seed_with_every_value(
    metrics: pd.DataFrame, tmp_path: Path, wandb: Wandb
) -> None:
    WandbRuns(tmp_path, "sparse", {"seeds": 2}, VARIANTS).append(metrics)
    variants = ("0", "0-int8", "0.9", "0.9-int8")
    names = sorted(run.given["name"] for run in wandb.runs.values())
    assert names == sorted(f"{name}/seed-{seed}" for name in variants for seed in (0, 1))
    run = wandb.named("0.9-int8/seed-1")
    rows = metrics.query("seed == 1 and variant == '0.9-int8'")
    for metric in ("return", "sparsity", "density/hidden_0"):
        training = rows[(rows.metric == metric) & (rows.phase != "final")]
        points = [(step, values[metric]) for step, values in run.points if metric in values]
        assert points == list(zip(training.step, training.value, strict=True))
    final = rows[rows.phase == "final"]
    assert run.summary == {f"final/{row.metric}": row.value for row in final.itertuples()}
    assert not run.is_open and run.exit_code == 0
    given = run.given
    assert (given["project"], given["group"], given["job_type"]) == (
        "sparse", tmp_path.name, "0.9-int8",
    )  # fmt: skip
    assert given["config"]["seeds"] == 2 and given["config"]["member"]["seed"] == 1
    assert (given["config"]["member"]["sparsity"], given["config"]["member"]["arithmetic"]) == (
        0.9, "int8",
    )  # fmt: skip
    assert given["config"]["member"]["variant"] == "0.9-int8"
    assert given["reinit"] == "create_new" and given["resume"] == "allow"


def test_cut_anywhere_and_gone_on_with_no_point_is_there_twice(
    metrics: pd.DataFrame, tmp_path: Path, wandb: Wandb
) -> None:
    metrics = metrics.sort_values("step", kind="stable")
    (tmp_path / "whole").mkdir()
    WandbRuns(tmp_path / "whole", "p", {}, VARIANTS).append(metrics)
    whole = {run.given["name"]: (run.points, run.summary) for run in wandb.runs.values()}
    wandb.runs.clear()
    (tmp_path / "pieces").mkdir()
    for begin, end in ((0, 60_000), (40_000, 100_000), (20_000, 200_000)):  # back to a checkpoint
        process = WandbRuns(tmp_path / "pieces", "p", {}, VARIANTS)
        process.start("0", 0)
        process.append(metrics[metrics.step <= begin])
        process.append(metrics[(metrics.step > begin) & (metrics.step <= end)])
        process.close()
    assert {run.given["name"]: (run.points, run.summary) for run in wandb.runs.values()} == whole
    state = json.loads((tmp_path / "pieces" / STATE).read_text())
    assert set(wandb.runs) == {
        f"{state['study']}-{name.replace('/', '-')}" for name in state["finished"]
    }
    assert len(wandb.runs) == 8, "the same identifiers in every process"


def test_an_interrupted_member_is_not_called_finished(
    metrics: pd.DataFrame, tmp_path: Path, wandb: Wandb
) -> None:
    runs = WandbRuns(tmp_path, "p", {}, VARIANTS)
    runs.append(metrics[metrics.step <= 60_000])
    runs.close()
    assert {run.exit_code for run in wandb.runs.values()} == {1}


def test_the_recorder_sends_what_it_writes(tmp_path: Path, wandb: Wandb) -> None:
    config = Config(seeds=1, log=LogConfig(wandb=True), network=TorsoOptions(hidden=(8,)))
    members = (Member(0, DENSE),)
    phases = [Phase("dense", 0, 30, members)]

    def measured(step: int, phase: str = "dense") -> list[Any]:
        return rows_of(step, phase, members, {"return": np.array([float(step)])})

    with Recorder(tmp_path / "run") as recorder:
        recorder.create(config, "train", NETWORK, phases)
        recorder.append(measured(10))
        length = recorder.metrics_bytes()
        recorder.append(measured(20))
    with Recorder(tmp_path / "run") as recorder:
        recorder.reopen(config, "resume", phases)
        recorder.cut_back(length)
        for step in (20, 30):
            recorder.append(measured(step))
        recorder.append(measured(30, "final"))
    (run,) = wandb.runs.values()
    assert run.points == [(step, {"return": float(step)}) for step in (10, 20, 30)]
    assert run.summary == {"final/return": 30.0} and run.exit_code == 0
    assert run.given["config"]["network"]["hidden"] == (8,)


def test_a_refusal_is_one_line_before_the_training(tmp_path: Path, wandb: Wandb) -> None:
    wandb.refusal = "no\nkey"
    config = Config(log=LogConfig(wandb=True))
    phases = [Phase("dense", 0, 30, (Member(0, DENSE),))]
    with pytest.raises(ConfigError) as caught, Recorder(tmp_path / "run") as recorder:
        recorder.create(config, "train", NETWORK, phases)
    assert str(caught.value) == (
        "log.wandb: Weights & Biases refuses: no key; allowed: after wandb login, or with "
        "WANDB_MODE=offline"
    )
    wandb.refusal = ""
    with Recorder(tmp_path / "run") as recorder:  # the same directory, once logged in
        recorder.create(config, "train", NETWORK, phases)


def test_a_refusal_later_does_not_end_the_training(
    metrics: pd.DataFrame, tmp_path: Path, wandb: Wandb
) -> None:
    runs = WandbRuns(tmp_path, "p", {}, VARIANTS)
    runs.append(metrics[metrics.step <= 20_000])
    wandb.refusal = "gone"
    with pytest.warns(UserWarning, match=r"^log.wandb: stopped \(gone\); .*metrics.csv has"):
        runs.append(metrics[metrics.step == 25_000])
    runs.append(metrics[metrics.step == 30_000])  # says nothing more


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    out = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"^log.wandb: .* is missing; .*'sparse_rl\[wandb\]'$"):
        Recorder(out).create(Config(log=LogConfig(wandb=True)), "train", NETWORK, [])
    assert not out.exists()


def test_logging_is_no_part_of_the_experiment() -> None:
    assert Config(log=LogConfig(wandb=True, project="x")).digest() == Config().digest()
    old = Config(sparsity=SparsityConfig(distribution="uniform"))
    assert old.digest() == "cbd43fd36e08", "checkpoints and actors from before logs existed"


def test_the_package_itself_offline(
    metrics: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    one = metrics.query("seed == 0 and variant == '0.9'")
    for end in (60_000, 200_000):
        time.sleep(1 - time.time() % 1)  # W&B names a file by the second in which its run began
        runs = WandbRuns(tmp_path, "sparse", {"seeds": 2}, VARIANTS)
        runs.append(one[one.step <= end])
        runs.close()
    package.teardown()  # its own process writes the files, and ends here
    state = json.loads((tmp_path / STATE).read_text())
    points: list[tuple[int, float]] = []
    for file in sorted(tmp_path.glob(f"wandb/offline-run-*-{state['study']}-0.9-seed-0/*.wandb")):
        points += history(file.read_bytes(), "return")
    rows = one[(one.metric == "return") & (one.phase != "final")]
    assert points == list(zip(rows.step, rows.value, strict=True))


def history(log: bytes, metric: str) -> list[tuple[int, float]]:
    """Steps and values in one of W&B's files: LevelDB's log format after seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    position, points, record = 7, [], b""
    while position + 7 <= len(log):
        left = 32_768 - position % 32_768
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", log, position + 4)
        part = log[position + 7 : position + 7 + length]
        record = part if kind in (1, 2) else record + part  # 1 whole, 2 first, 3 middle, 4 last
        position += 7 + length
        if kind in (1, 4):
            found = Record.FromString(record)
            values = {item.key or "/".join(item.nested_key): item.value_json
                      for item in found.history.item}  # fmt: skip
            if metric in values:
                points.append((found.history.step.num, float(values[metric])))
    return points
