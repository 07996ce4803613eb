"""The command that tries an environment before a training."""

from pathlib import Path

import pytest

from sparse_rl import check
from tests import own_package

pytest.importorskip("gymnasium")

from tests.envs.own_environments import Raises, Unseeded, name


def test_a_good_environment_ends_with_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    check.run(["gymnasium/CartPole-v1?time_limit=20", "--episodes", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["observation", "4", "float32"],
        ["action", "one", "of", "2"],
        ["episode", "at", "most", "20", "steps"],
    ]
    command = "sparse-rl train dqn_cartpole --environment 'gymnasium/CartPole-v1?time_limit=20'"
    assert lines[-1].endswith(command)


def test_a_wrong_one_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check.run([name(Unseeded), "--episodes", "1"])
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert "wrong        the same seed gave other episodes" in shown.out
    assert shown.err.startswith(f"error: {name(Unseeded)}: 2 of ")


def test_one_that_raises_shows_its_own_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check.run([name(Raises), "--episodes", "2"])
    assert ended.value.code == 2
    head, *frames, last = capsys.readouterr().err.splitlines()
    assert head == "Traceback of the environment (most recent call last):"
    assert sum("File " in line for line in frames) == 1
    assert last.startswith("error: environment ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["gymnax/Pendulums"], "environment 'gymnax/Pendulums' is unknown: did you mean"),
        (["gymnax/Pendulum-v1", "--episodes", "0"], "episodes: found '0'; allowed: a whole number"),
        ([], "ENV: none given"),
    ],
)
def test_refusals(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check.run(words)
    assert ended.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--import", "--imports"])
def test_an_environment_of_a_package_of_ones_own(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = f"outside_check{len(option)}"
    with own_package.written(tmp_path, package) as environment:
        check.run([environment, option, package, "--episodes", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["observation", "3", "float32"]
    assert lines[-1].endswith(f"--environment {environment} --import {package}")
