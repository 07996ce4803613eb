"""Python starts a study as the command does: same machine, same configuration, watched."""

import importlib
import sys
from dataclasses import replace
from typing import Any

import pytest

import sparse_rl
from sparse_rl.config.experiment import Config
from sparse_rl.runtime import compilation_cache, devices
from sparse_rl.study import training
from sparse_rl.study.progress import Lines, Silent


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is called, in order, in place of training."""
    made: list[tuple[Any, ...]] = []
    monkeypatch.setattr(compilation_cache, "use", lambda choice: made.append(("cache", choice)))
    monkeypatch.setattr(devices, "configure", lambda *asked: made.append(("devices", *asked)))
    monkeypatch.setattr(training, "train", lambda *given: made.append(("train", *given)))
    return made


def test_devices_and_kept_programs_are_set_up_before_training(calls: list[tuple[Any, ...]]) -> None:
    config = sparse_rl.load_config("sac_pendulum", devices=2, compilation_cache="there")
    sparse_rl.train(config, progress=False)
    assert calls == [
        ("cache", "there"),
        ("devices", 2, config.distributed),
        ("train", config),
    ]


def test_it_is_watched_unless_one_says_otherwise(calls: list[tuple[Any, ...]]) -> None:
    sparse_rl.train(Config())
    assert isinstance(calls[-1][2], Lines)
    own = Silent()
    sparse_rl.train(Config(), own)
    assert calls[-1][2] is own


def test_a_name_is_enough_and_anything_else_is_one_line(calls: list[tuple[Any, ...]]) -> None:
    sparse_rl.train("dqn_cartpole", progress=False)
    assert calls[-1] == ("train", sparse_rl.load_config("dqn_cartpole"))
    with pytest.raises(
        TypeError, match=r"^config: found dict, \{'seeds': 3\}; allowed: a Config or"
    ):
        sparse_rl.train({"seeds": 3})  # type: ignore[arg-type]


def test_training_itself_gets_the_configuration_unchanged(calls: list[tuple[Any, ...]]) -> None:
    config = replace(Config(), seeds=3, resume="runs/x")
    sparse_rl.train(config, progress=False)
    assert calls[-1] == ("train", config)


def test_the_commands_module_does_not_take_the_functions_place() -> None:
    importlib.import_module("sparse_rl.train")
    importlib.reload(sys.modules["sparse_rl.train"])
    assert sparse_rl.train.__module__ == "sparse_rl.launch"
