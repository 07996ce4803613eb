"""The commands of docs/render.md, run; episodes are cut short."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.synthetic import mlp_actor
from sparse_rl.artifact.packed import PackedActor, Provenance, save
from sparse_rl.config import program
from sparse_rl.render.__main__ import main

PAGE = Path(__file__).parents[2] / "docs" / "render.md"
COMMANDS = re.findall(r"^python -m sparse_rl\.render (.*)$", PAGE.read_text(), re.MULTILINE)


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_command(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    for word in words:
        if word.endswith(".srl"):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            about = Provenance("gymnax/Pendulum-v1", "0.9-int8")
            save(Path(word), PackedActor(mlp_actor((3, 16, 1), sparsity=0.5), about))
    program.call(main, [*words, "--steps", "3"])
    file = Path(capsys.readouterr().out.split()[-1])
    start = file.read_bytes()[:20]
    assert start.startswith(b"GIF89a" if file.suffix == ".gif" else b"<!DOCTYPE html>")
