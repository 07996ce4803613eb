"""What the documentation says to do with a finished run, done: export, evaluate, film it."""

import shlex
from pathlib import Path

import pytest

from sparse_rl.artifact.cost import measurement
from sparse_rl.config import program
from sparse_rl.render import comparison
from sparse_rl.runs.variant import DENSE, Variant
from tests import run_by_hand
from tests.docs.blocks import ROOT, blocks, commands
from tests.programs import DELIVERY

PAGES = (
    "README.md",
    "docs/commands/export.md",
    "docs/commands/evaluate.md",
    "docs/which_level.md",
    "docs/my_policy.md",
    "docs/zoo.md",
)
RETURNS = dict.fromkeys(
    [
        DENSE,
        Variant(sparsity=0.9),
        Variant(sparsity=0.9, arithmetic="int8"),
        Variant(sparsity=0.95, arithmetic="int8"),
        Variant(sparsity=0.98),
        Variant(sparsity=0.98, arithmetic="int8"),
        Variant(sparsity=0.98, arithmetic="integer"),
        Variant("rigl", sparsity=0.998, arithmetic="integer"),
    ],
    (-9.0, -8.0),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)  # nothing is timed here
    (tmp_path / "results").symlink_to(ROOT / "results")
    (tmp_path / "runs").mkdir()
    for name in ("demo", "rigl"):  # as pages call a run, too
        (tmp_path / "runs" / name).symlink_to("x")
    return tmp_path


def test_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_by_hand.write(here / "runs" / "x", RETURNS)
    typed = [one for page in PAGES for one in commands(ROOT / page) if one.name in DELIVERY]
    assert len(typed) >= 10
    for command in typed:
        words = [*command.words, "--episodes", "1"]
        program.call(DELIVERY[command.name], words)
        said = capsys.readouterr().out
        if command.name == "evaluate":
            assert "gymnax/Pendulum-v1" in said, command
        else:
            assert Path(said.split()[-1]).name == "cost.json" and Path(said.split()[-1]).is_file()
    assert {one.name for one in (here / "runs/x/artifacts").iterdir()} == {
        variant.name for variant in RETURNS
    }
    assert {one.name for one in (here / "actors").iterdir()} == {"0", "0.9-int8"}
    assert (here / "packages" / "actor_qonnx.onnx").is_file()


def test_the_film_of_a_run(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "MOST_FRAMES", 5)
    run_by_hand.write(here / "runs" / "pendulum", RETURNS)
    (program,) = (
        block.text for block in blocks(ROOT / "docs/render.md") if block.language == "python"
    )
    exec(compile(program, "render.md", "exec"), {})
    assert shlex.split(capsys.readouterr().out) == ["film:", "runs/pendulum/film.gif"]
    assert (here / "runs/pendulum/film.gif").read_bytes().startswith(b"GIF89a")
