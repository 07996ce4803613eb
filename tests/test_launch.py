"""Python starts a study as the command does: same machine, same configuration, watched."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import pytest

import sparse_rl
from sparse_rl.config import command_line
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.text import FOLDER
from sparse_rl.runtime import compilation_cache, devices
from sparse_rl.study import training
from sparse_rl.study.progress.evaluation import Evaluation
from sparse_rl.study.progress.events import Progress, Quiet
from sparse_rl.study.progress.lines import Lines


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is called, in order, in place of training."""
    made: list[tuple[Any, ...]] = []
    monkeypatch.setattr(compilation_cache, "use", lambda choice: made.append(("cache", choice)))
    monkeypatch.setattr(devices, "configure", lambda *asked: made.append(("devices", *asked)))
    monkeypatch.setattr(devices, "fewer_than_asked", lambda _: "")
    monkeypatch.setattr(training, "train", lambda *given: made.append(("train", *given)))
    return made


def test_devices_and_kept_programs_are_set_up_before_training(calls: list[tuple[Any, ...]]) -> None:
    config = sparse_rl.load_config("sac_pendulum", devices=2, compilation_cache="there")
    sparse_rl.train(config, progress=False)
    assert calls == [
        ("cache", "there"),
        ("devices", 2, config.distributed),
        ("train", config, calls[-1][2]),
    ]
    assert type(calls[-1][2]) is Quiet


def test_it_is_watched_unless_one_says_otherwise(calls: list[tuple[Any, ...]]) -> None:
    sparse_rl.train(Config())
    assert isinstance(calls[-1][2], Lines)
    own = Progress()
    sparse_rl.train(Config(), own)
    assert calls[-1][2] is own


def test_a_name_is_enough_and_anything_else_is_one_line(calls: list[tuple[Any, ...]]) -> None:
    sparse_rl.train("dqn_cartpole", progress=False)
    cartpole = sparse_rl.load_config("dqn_cartpole")
    assert calls[-1][:2] == ("train", cartpole)
    sparse_rl.train(FOLDER / "dqn_cartpole.yaml", progress=False)
    assert calls[-1][:2] == ("train", cartpole)
    with pytest.raises(TypeError, match=r"^config: found dict, \{'seeds': 3\}; allowed: a Config,"):
        sparse_rl.train({"seeds": 3})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^config: found none; allowed: a Config, the name of"):
        sparse_rl.train()
    with pytest.raises(TypeError, match=r"^config: found beside resume; allowed: one of them$"):
        sparse_rl.train("dqn_cartpole", resume="runs/x")


def test_who_cannot_be_told_is_refused_before_training(calls: list[tuple[Any, ...]]) -> None:
    with pytest.raises(TypeError, match=r"^progress: found 'no'; allowed: True, False, or an obj"):
        sparse_rl.train("dqn_cartpole", progress="no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^on_evaluation: found 3; allowed: a function$"):
        sparse_rl.train("dqn_cartpole", on_evaluation=3)  # type: ignore[arg-type]
    assert calls == []


def test_what_it_offers_is_what_a_notebook_completes() -> None:
    assert set(dir(sparse_rl)) >= {*sparse_rl.__all__, "__version__"}
    assert "extras" not in dir(sparse_rl)


def test_resuming_is_the_commands_own(
    calls: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seeds: 4\nlog: {project: mine}\n")
    sparse_rl.train(resume=Path("run"), progress=False)
    config = calls[-1][1]
    assert config == command_line.parse(["--resume", "run"])
    assert (config.seeds, config.resume, config.out) == (4, "run", "run")
    with pytest.raises(ConfigError, match=r"^resume: 'nothing' has no config.yaml; allowed: a run"):
        sparse_rl.train(resume="nothing")


def test_a_callback_hears_of_every_evaluation_beside_who_watches(
    calls: list[tuple[Any, ...]],
) -> None:
    seen: list[Evaluation] = []

    class Watcher(Progress):
        def measured(self, phase: Any, evaluation: Evaluation) -> None:
            seen.append(evaluation)

    sparse_rl.train(Config(), Watcher(), on_evaluation=seen.append)
    one = Evaluation("dense", 5, False, {}, {}, {})
    calls[-1][2].measured(None, one)
    assert seen == [one, one]


def test_a_watched_run_says_where_its_page_is(calls: list[tuple[Any, ...]]) -> None:
    said: list[str] = []

    class Sayer(Progress):
        def say(self, text: str) -> None:
            said.append(text)

    sparse_rl.train(replace(Config(), watch=True), Sayer())
    calls[-1][2].start(Config(), [], Path("runs/x"), 1)
    assert said == ["watch: runs/x/report/index.html (from the first evaluation on)"]


def test_a_process_with_too_few_devices_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    there = len(jax.local_devices())
    monkeypatch.setattr(devices, "cores", lambda: there + 2)
    assert devices.fewer_than_asked(there) == ""
    assert devices.fewer_than_asked(0).startswith(
        f"devices: {there} for {there + 2} cores, because JAX was used in this process before"
    )
    with pytest.raises(ConfigError) as caught:
        devices.choose(there + 1)
    line = str(caught.value)
    assert line.startswith(f"devices: found {there + 1}; allowed: at most {there}, because JAX was")
    with pytest.raises(ConfigError, match=rf"allowed: at most {there}$"):
        devices.choose(there + 3)


def test_training_itself_gets_the_configuration_unchanged(calls: list[tuple[Any, ...]]) -> None:
    config = replace(Config(), seeds=3, resume="runs/x")
    sparse_rl.train(config, progress=False)
    assert calls[-1][:2] == ("train", config)


def test_the_commands_module_does_not_take_the_functions_place() -> None:
    importlib.import_module("sparse_rl.train")
    importlib.reload(sys.modules["sparse_rl.train"])
    assert sparse_rl.train.__module__ == "sparse_rl.launch"
