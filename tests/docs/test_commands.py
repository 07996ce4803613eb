"""Every command of the documentation, parsed by the program that it is meant for."""

import functools
import importlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sparse_rl import inspect
from sparse_rl.config import command_line, program
from sparse_rl.config.error import ConfigError
from tests.docs.blocks import PAGES, ROOT, Command, commands

HOW_TO = ROOT / "docs" / "how_to"
"""Their commands need what the pages add; test_how_to.py runs them."""
ALL = [command for page in PAGES if HOW_TO not in page.parents for command in commands(page)]
PROGRAMS = ("check", "compress", "evaluate", "export", "join", "play", "render", "report")


def parse(command: Command) -> Any:
    """What the program would be called with; SystemExit or ConfigError where it would refuse."""
    if command.name == "train":
        return command_line.parse(command.words)
    if command.name == "inspect":
        return inspect.parser().parse_args(command.words)
    package = f"sparse_rl.{command.name}"
    module = importlib.import_module(f"{package}.__main__" if is_package(package) else package)

    @functools.wraps(module.main)
    def record(*values: Any, **named: Any) -> tuple[Any, ...]:
        return values, named

    return program.call(record, command.words)


def is_package(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None


@pytest.mark.parametrize("command", ALL, ids=str)
def test_command_is_understood(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command.name == "train":  # configs/ is found beside where one stands
        monkeypatch.chdir(tmp_path)
        (tmp_path / "configs").symlink_to(ROOT / "configs")
    if command.name == "train" and command.words and command.words[0].startswith("runs/"):
        run = tmp_path / command.words[0]
        (run / "dense").mkdir(parents=True)
        shutil.copy(ROOT / "configs" / "sac_pendulum.yaml", run / "config.yaml")
    if "--resume" in command.words:
        run = tmp_path / command.words[command.words.index("--resume") + 1]
        run.mkdir(parents=True)
        (run / "config.yaml").write_text((ROOT / "configs" / "sac_pendulum.yaml").read_text())
    if command.words == ("--help",) and command.name == "train":
        with pytest.raises(SystemExit) as end:
            command_line.show_help()
        assert end.value.code == 0
    else:
        assert parse(command) is not None


def test_every_program_has_commands() -> None:
    count = Counter(command.name for command in ALL)
    assert set(count) == {"train", "inspect", *PROGRAMS}
    assert min(count.values()) >= 3


@pytest.mark.parametrize(
    "words", [["--seed", "3"], ["--sparsity.levels", "1.2"], ["sac_pendulums"], ["--out"]]
)
def test_a_renamed_option_would_be_seen(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse(Command("here", "train", tuple(words)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_renamed_option_of_a_program_would_be_seen(name: str) -> None:
    with pytest.raises(ConfigError):
        parse(Command("here", name, ("x", "--arms", "0.9")))
