"""The commands and the Python of docs/report.md, run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from sparse_rl.config import program
from sparse_rl.report.__main__ import main

PAGE = Path(__file__).parents[2] / "docs" / "report.md"
COMMANDS = re.findall(r"^python -m sparse_rl\.report (.*)$", PAGE.read_text(), re.MULTILINE)
PROGRAM = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))


@pytest.fixture
def runs(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("hopper", "walker"):
        shutil.copytree(finished_run, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 3 and "write_page" in PROGRAM


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.call(main, shlex.split(command))
    page = runs / capsys.readouterr().out.split()[-1]
    count = command.count("runs/")
    pages = [page] if count == 1 else sorted(page.parent.glob("*/index.html"))
    assert len(pages) == count
    assert all(one.read_text().count('class="run"') == 1 for one in pages)


def test_python(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PROGRAM, str(PAGE), "exec"), {})
    assert "0.98-int8" in capsys.readouterr().out
    assert (runs / "report" / "index.html").is_file()
    assert (runs / "panel.pdf").read_bytes().startswith(b"%PDF")
    assert len(list((runs / "runs/hopper/tensorboard").rglob("events*"))) == 8 * 14
