"""Whole studies: cut short anywhere and gone on with, in groups, with members that fail."""

import errno
import json
import os
import shlex
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest

from sparse_rl.agents.sac import SAC
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.config.reading import from_mapping
from sparse_rl.population import executables, members
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.report.figures import panel
from sparse_rl.report.page import write_report
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.runtime.interruption import Interrupted
from sparse_rl.study import episodes, training
from sparse_rl.study.phases import Phase
from sparse_rl.study.plan import plan
from sparse_rl.study.preparation import Study
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.progress.events import Progress, Told, both
from sparse_rl.study.recording import Recorder
from sparse_rl.study.training import train
from tests.population.training import only

PHASES = ["prefill", "dense", "prune", "finetune", "quantize int8w", "quantize int8"]


def configure(out: Path, **changes: Any) -> Config:
    values: dict[str, Any] = {
        "environment": "probe/termination?actions=continuous",
        "seeds": 3,
        "network": {"hidden": [8]},
        "replay": {"capacity": 40, "batch_size": 4},
        "training": {"steps": 60, "learning_starts": 10},
        "sparsity": {"levels": [0, 0.5], "interval": 6},
        "quantization": {"modes": ["int8w", "int8"]},
        "evaluation": {"every": 6, "episodes": 2, "final_episodes": 3},
        "checkpoint": {"every": 4, "unit": "steps"},
        "out": str(out),
    }
    return from_mapping(values | changes)


def resume(out: Path, **changes: Any) -> Config:
    return configure(out, resume=str(out), **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The study without any interruption."""
    return train(configure(tmp_path_factory.mktemp("whole") / "run"))


def interrupted(config: Config, label: str, chunk: int) -> None:
    """A run that Ctrl-C has ended in the phase `label`, with chunks of one iteration each."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted) as caught:
        patch.setattr(training, "CHUNK_SECONDS", 0.0)
        patch.setattr(training, "FIRST_CHUNK", 1)
        train(config, Disturber(label, chunk))
    assert caught.value.exit_status == 130
    words = shlex.split(str(caught.value))  # it can be pasted, whatever the directory is called
    assert words == ["python", "-m", "sparse_rl.train", "--resume", config.out]


def sorted_rows(run: Run) -> pd.DataFrame:
    columns = [name for name in run.metrics.columns if name != "value"]
    return run.metrics.sort_values(columns).reset_index(drop=True)


def assert_same(run: Path, other: Run) -> None:
    """Bit for bit: every number that was ever measured, and the policies."""
    assert (run / "metrics.csv").read_bytes() == (other.path / "metrics.csv").read_bytes()
    names = sorted(path.name for path in (other.path / "policies").iterdir())
    assert sorted(path.name for path in (run / "policies").iterdir()) == names
    assert len(names) == 6
    for name in names:
        mine, theirs = run / "policies" / name, other.path / "policies" / name
        assert mine.read_bytes() == theirs.read_bytes(), name
    assert event_sizes(run) == event_sizes(other.path)


def event_sizes(run: Path) -> dict[str, int]:
    """Event files hold times, so bytes differ; a record that is there twice, or not, shows here.

    The study's own has when it began again, too: it is left out.
    """
    files = (run / "tensorboard").glob("*/seed-*/events*")
    return {str(path.relative_to(run)): path.stat().st_size for path in files}


class Crash(Exception):
    """Stands for everything that ends a process without warning."""


class Disturber(Progress):
    """Ends the run at the n-th chunk of a phase: by Ctrl-C, or without warning."""

    def __init__(self, label: str, chunk: int, crash: bool = False) -> None:
        self.label, self.left, self.crash = label, chunk, crash
        self.said: list[str] = []
        self.noticed = threading.Event()

    def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
        if phase.label == self.label:
            self.left -= 1
            if self.left == 0 and self.crash:
                raise Crash
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)
                assert self.noticed.wait(60)

    def interrupted(self) -> None:
        self.noticed.set()

    def resumed(self, phases: Sequence[Phase], index: int, clock: int) -> None:
        self.said.append(f"{phases[index].label} {clock}")

    def warn(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.slow
def test_a_run_cut_short_in_every_phase_ends_the_same(
    tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each phase is interrupted and then killed; every chunk is one iteration, against as many as
    # fit into a second in the whole run: how a phase is cut changes nothing.
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(training, "FIRST_CHUNK", 1)
    out = tmp_path / "run"
    config, went_on = configure(out), []
    for label in PHASES:
        interrupted, killed = (1, 1) if label == "dense" else (3, 6)
        for chunk, error in ((interrupted, Interrupted), (killed, Crash)):
            disturber = Disturber(label, chunk, error is Crash)
            with pytest.raises(error):
                train(config, disturber)
            went_on += disturber.said
            config = resume(out)
    last = Disturber("none", 0)
    train(config, last)
    # Ctrl-C writes a checkpoint at once; after a kill it is the last one, four steps later.
    assert went_on + last.said == [
        *("prefill 3", "prefill 7"),
        *("dense 11", "dense 11"),
        *("prune 15", "prune 19"),
        *("finetune 51", "finetune 55"),
        *("quantize int8w 63", "quantize int8w 67"),
        *("quantize int8 63", "quantize int8 67"),
    ]
    assert_same(out, whole)
    assert not (out / "checkpoints").exists()


def test_a_phase_is_traced_once_and_no_chunk_is(tmp_path: Path) -> None:
    traced = 0

    def update(*arguments: Any) -> Any:
        nonlocal traced
        traced += 1
        return original(*arguments)

    def traces(out: Path, first: int, seconds: float) -> int:
        nonlocal traced
        traced = 0
        executables.forget()
        members._initializer.forget()  # type: ignore[attr-defined]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SAC, "update", update)
            patch.setattr(training, "FIRST_CHUNK", first)
            patch.setattr(training, "CHUNK_SECONDS", seconds)
            train(configure(out, quantization={"modes": []}))
        return traced

    original = SAC.update
    # Once for the first population, whose shapes memory is estimated by, and the learning phases.
    assert traces(tmp_path / "long", 1000, 1000.0) == 1 + 3
    assert traces(tmp_path / "short", 1, 0.0) == 1 + 3


@pytest.mark.parametrize("damage", ["members-0.safetensors.zst", "metrics.csv", "all"])
def test_resume_falls_back_past_what_is_damaged(tmp_path: Path, whole: Run, damage: str) -> None:
    out = tmp_path / "run"
    compressed = {"replay": "compressed", "every": 4, "unit": "steps"}
    interrupted(configure(out, checkpoint=compressed), "quantize int8", 6)
    before, newest = sorted((out / "checkpoints").glob("0*"))
    if damage == "metrics.csv":
        length = (out / "metrics.csv").stat().st_size
        os.truncate(out / "metrics.csv", length - 100)
    for folder in [newest] if damage.startswith("members") else [before, newest]:
        if damage != "metrics.csv":
            file = folder / "memory-0.safetensors.zst"
            file.write_bytes(file.read_bytes()[:-3])
    watcher = Disturber("none", 0)
    train(resume(out, checkpoint=compressed), watcher)
    if damage == "all":
        assert watcher.said[-1] == f"{out} has no checkpoint: starting from the beginning"
    else:
        assert watcher.said[-1] == "quantize int8 64"
    assert watcher.said[0].startswith(f"checkpoint {newest.name}: ")
    assert watcher.said[0].endswith("; using the one before it")
    assert_same(out, whole)


def test_checkpoints_of_another_version_stay_and_the_run_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "run"
    interrupted(configure(out, checkpoint={"every": 4, "unit": "steps"}), "finetune", 4)
    for file in (out / "checkpoints").glob("0*/manifest.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 1}))

    def files() -> dict[Path, bytes]:
        every = (path for path in out.rglob("*") if path.is_file())
        return {p: p.read_bytes() for p in every if p.name not in ("versions.txt", ".lock")}

    before = files()
    with pytest.raises(ConfigError, match=r"resume: .*: format 1 instead of 2; allowed: "):
        train(resume(out))
    assert files() == before


def test_who_asks_too_late_for_the_dense_members_hears_of_it(tmp_path: Path) -> None:
    for label, late in (("finetune", False), ("quantize int8w", True)):
        out = tmp_path / label
        interrupted(configure(out), label, 3)
        watcher = Disturber("none", 0)
        train(resume(out, checkpoint={"keep_dense": True}), watcher)
        assert any(line.startswith("checkpoint.keep_dense: ") for line in watcher.said) == late
        assert (out / "dense").exists() != late


def test_without_memories_a_run_refills_them_and_says_so(tmp_path: Path, whole: Run) -> None:
    out = tmp_path / "run"
    without = {"replay": "none", "every": 4, "unit": "steps"}
    interrupted(configure(out, checkpoint=without), "finetune", 4)
    config = resume(out, checkpoint=without)
    session = {}

    class Watcher(Disturber):
        def phase(self, phase: Phase) -> None:
            session.setdefault("first", phase.label)

    watcher = Watcher("none", 0)
    run = train(config, watcher)
    (warning,) = [line for line in watcher.said if "replay" in line]
    assert "the last 40 steps of every member are missing" in warning
    assert session["first"] == "finetune"
    keys = ["step", "phase", "seed", "variant", "metric"]
    assert sorted_rows(run)[keys].equals(sorted_rows(whole)[keys])
    # What was before is the same, what comes after is not.
    both = sorted_rows(run).merge(sorted_rows(whole), on=keys)
    losses = both[both["metric"] == "critic_loss"]
    same = losses["value_x"] == losses["value_y"]
    assert same[losses["step"] <= 48].all()
    assert not same[losses["step"] > 54].any()


def test_groups_of_arms_give_the_same_results(tmp_path: Path, whole: Run) -> None:
    # Three members on two devices in each group, as two and one with a copy; six in the whole
    # study, three on each device: sums are in another order, so floats agree to that.
    run = train(configure(tmp_path / "run", population={"split": 2}))
    one, other = sorted_rows(run), sorted_rows(whole)
    keys = ["step", "phase", "seed", "variant", "metric"]
    assert one[keys].equals(other[keys])
    np.testing.assert_allclose(one["value"], other["value"], rtol=1e-3, atol=1e-5)
    assert len(list((run.path / "policies").iterdir())) == 6


def test_a_member_that_fails_disturbs_nobody(
    tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Study.fresh

    def poisoned(study: Study, phase: Phase) -> Cohorts:
        state = only(fresh(study, phase))
        agent = state.members.agent
        params = jax.tree.map(lambda leaf: leaf.at[1].set(np.nan), agent.critics.params)
        critics = agent.critics._replace(params=params)
        members = state.members._replace(agent=agent._replace(critics=critics))
        return Cohorts((state._replace(members=members),))

    monkeypatch.setattr(Study, "fresh", poisoned)
    run = train(configure(tmp_path / "run"))
    healthy = [
        rows[rows["seed"] != 1].reset_index(drop=True) for rows in (run.metrics, whole.metrics)
    ]
    pd.testing.assert_frame_equal(healthy[0], healthy[1], check_exact=True)
    failed = run.metrics[run.metrics["metric"] == "failed"]
    assert set(failed["seed"]) == {1}
    assert (failed["value"] == 1).all()
    assert failed.loc[failed["phase"] == "final", "variant"].nunique() == 6
    assert not (run.metrics[run.metrics["seed"] == 1]["metric"] == "return").any()
    summary = run.summary()
    assert (summary["failed"] == 1).all()
    assert (summary["seeds"] == 2).all()
    assert (whole.summary()["failed"] == 0).all()


def test_a_run_that_is_copied_names_no_place_of_the_machine_it_was_made_on(whole: Run) -> None:
    assert whole.config.out == ""
    assert str(whole.path) not in (whole.path / layout.CONFIG).read_text()


class Listener(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


def test_a_study_in_which_all_fail_ends_in_order_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"agent": {"name": "sac", "learning_rate": 1e38}, "seeds": 2}
    listener = Listener()
    with monkeypatch.context() as patch:
        patch.setattr(training, "finish", stopped)
        with pytest.raises(Crash):
            train(configure(tmp_path / "run", **changes), listener)
    run = train(resume(tmp_path / "run", **changes), listener)
    assert any(line.startswith("failed by step") for line in listener.said), listener.said
    assert "every member has failed: the rest of dense is skipped" in listener.said
    assert list(run.summary()["failed"]) == [2] * 6
    assert "0 of 2" in (run.path / layout.SUMMARY).read_text()
    page = write_report(run).read_text()
    assert "dense failed in every seed" in page
    assert "sparsity.levels has no 0" not in page
    assert panel.TITLE not in page, "there is nothing to draw"


def stopped(*_: object) -> None:
    raise Crash


def test_a_reward_that_is_no_number_fails_its_member_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One seed's last evaluation is paid nan; nothing is left out without a word."""
    evaluator = episodes.evaluator

    def poisoned(*given: Any) -> Any:
        evaluate = evaluator(*given)
        is_final = given[-1] == 3

        def of_all(*inputs: Any) -> episodes.Episodes:
            found = evaluate(*inputs)
            returns = found.returns.at[1, 0].set(np.nan) if is_final else found.returns
            return found._replace(returns=returns)

        return jax.jit(of_all)  # type: ignore[no-any-return]

    monkeypatch.setattr(episodes, "evaluator", poisoned)
    listener = Listener()
    changes = {"sparsity": {"levels": [0], "interval": 6}, "quantization": {"modes": []}}
    run = train(configure(tmp_path / "run", **changes), listener)
    final = run.metrics[run.metrics["phase"] == "final"].set_index(["seed", "metric"])["value"]
    assert final[1, "failed"] == 1
    assert (1, "return") not in final.index
    assert (0, "failed") not in final.index
    assert listener.said == [
        "failed in the evaluation at step 60: 0 seed 1 (an observation, an action or a reward is "
        "not finite); it counts as failed in all tables"
    ]
    assert list(run.summary()["failed"]) == [1]


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(tmp_path: Path, whole: Run) -> None:
    out = tmp_path / "run"
    full = False

    class Filler(Disturber):
        def advance(self, phase: Phase, clock: int, steps: int, seconds: float) -> None:
            nonlocal full
            full = phase.label == "prune" and clock >= 30

    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ConfigError) as caught:
        patch.setattr("os.fsync", fsync)
        train(configure(out), Filler("none", 0))
    assert str(caught.value) == f"out: cannot write {out}: No space left on device"
    assert not list((out / "checkpoints").glob(".*"))
    train(resume(out))
    assert_same(out, whole)


def test_what_is_refused_before_anything_is_lost(tmp_path: Path, whole: Run) -> None:
    with pytest.raises(ConfigError, match=r"already holds a run; allowed: a new directory, or"):
        train(configure(whole.path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"out: cannot write .*: is a file; needed is a folder"):
        train(configure(tmp_path / "file"))
    out = tmp_path / "run"
    interrupted(configure(out), "prefill", 3)
    with Recorder(out) as other:
        other.reopen(configure(out), "another process", plan(configure(out)))
        with pytest.raises(ConfigError, match="another process is writing"):
            train(resume(out))
    with pytest.raises(ConfigError, match=r"resume: .* is of experiment"):
        train(resume(out, first_seed=1))
    watcher = Disturber("none", 0)
    (whole.path / "checkpoints" / "000007").mkdir(parents=True)  # killed at its very end
    assert train(resume(whole.path), watcher).path == whole.path
    assert not (whole.path / "checkpoints").exists()
    assert watcher.said == [f"{whole.path} is already finished; nothing to resume"]
    summary, metrics = (whole.path / name for name in ("summary.md", "metrics.csv"))
    before = summary.read_text(), metrics.read_bytes()
    summary.unlink()
    train(resume(whole.path))
    assert (summary.read_text(), metrics.read_bytes()) == before


def test_the_configuration_of_a_run_is_what_was_asked_for(whole: Run) -> None:
    asked = replace(configure(whole.path), out="")  # where it lies the directory says itself
    assert to_yaml(whole.config) == to_yaml(asked)


@pytest.mark.parametrize("final", [False, True])
def test_an_exception_of_a_callback_leaves_a_checkpoint_and_the_run_goes_on(
    tmp_path: Path, whole: Run, final: bool
) -> None:
    seen: list[tuple[str, int, bool]] = []

    def refuse(evaluation: Evaluation) -> None:
        seen.append((evaluation.phase, evaluation.step, evaluation.final))
        if evaluation.final == final and evaluation.phase in ("prune", "finetune"):
            raise Crash

    out = tmp_path / "run"
    rarely = {"every": 0}
    with pytest.raises(Crash):
        train(configure(out, checkpoint=rarely), Told(refuse))
    assert seen[-1] == (("finetune", 60, True) if final else ("prune", 18, False))
    assert list((out / "checkpoints").glob("0*"))
    went_on = Disturber("none", 0)
    calls: list[Evaluation] = []
    train(resume(out, checkpoint=rarely), both(went_on, Told(calls.append)))
    assert went_on.said == ["finetune 60" if final else "prune 18"]
    assert_same(out, whole)
    assert [one.final for one in calls].count(True) == 3
