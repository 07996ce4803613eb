"""sparse-rl play: what becomes levels, where the page goes, and what is refused in one line."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.synthetic import minatar_q_network, mlp_actor
from sparse_rl.artifact import packed, wasm
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.play import __main__ as command
from sparse_rl.play import page
from sparse_rl.play.levels import of_files, of_run
from sparse_rl.report.page import write_report
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from tests import run_by_hand
from tests.docs.blocks import ROOT

PRUNED, INT8 = Variant(sparsity=0.9), Variant(sparsity=0.9, arithmetic="int8")
RETURNS = {
    DENSE: (-9.0, -8.0, -7.0),
    PRUNED: (-9.2, -8.5, -7.1),
    INT8: (-90.0, float("nan"), -80.0),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run_by_hand.write(tmp_path / "x", RETURNS)
    return tmp_path / "x"


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules are not looked at here."""
    monkeypatch.setattr(wasm, "check_tools", lambda: None)
    monkeypatch.setattr(page.wasm, "compiled", lambda actor: b"module")


def data_of(file: Path) -> dict:
    text = file.read_text()
    found = re.search(r'<script type="application/json" id="studies">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def pendulum(tmp_path: Path) -> list[Path]:
    """Packed actors of Pendulum, the smallest first."""
    files = []
    for name, sparsity, arithmetic in (("0.98-int8", 0.98, "int8"), ("0.9", 0.9, "float32"),
                                       ("0", 0.0, "float32")):  # fmt: skip
        graph = mlp_actor((3, 32, 32, 1), sparsity, arithmetic)
        about = Provenance("gymnax/Pendulum-v1", name, 8, "", -126.36)
        files.append(tmp_path / f"file_{name}.srl")
        packed.save(files[-1], PackedActor(graph, about))
    return files


def test_files_become_levels_from_the_largest_on(pendulum: list[Path]) -> None:
    (study,) = of_files(pendulum)
    assert [level.name for level in study.levels] == ["dense", "0.9", "0.98-int8"]
    assert [level.size for level in study.levels] == [
        file.stat().st_size for file in reversed(pendulum)
    ]
    assert study.levels[0].recorded == "-126 when it was made"
    assert study.levels[1].weights == round(0.1 * 96) + round(0.1 * 1024) + 3


def test_files_of_several_environments_become_a_study_each(
    pendulum: list[Path], tmp_path: Path
) -> None:
    cartpole = ROOT / "results/cartpole/policies/dense.srl"
    graph = minatar_q_network(0.9, "float32")
    breakout = tmp_path / "breakout.srl"
    packed.save(
        breakout,
        PackedActor(graph, Provenance("gymnax/Breakout-MinAtar?actions=full&sticky=0.1", "0.9", 1)),
    )
    twice = [*pendulum[1:], cartpole, breakout, breakout]
    pendulums, carts, breakouts = of_files(twice)
    assert [len(study.levels) for study in (pendulums, carts, breakouts)] == [2, 1, 2]
    assert [level.name for level in breakouts.levels] == ["0.9, number 1", "0.9, number 2"]
    assert (breakouts.world.actions, breakouts.world.sticky) == ("full", 0.1)


def test_a_run_gives_the_policies_of_its_median_seed(run: Path) -> None:
    study = of_run(Run(run))
    # The film's seed: the lower median of those of the variant beside dense that did not fail.
    assert study.origin == "run x, seed 1"
    assert {level.name for level in study.levels} == {"dense", "0.9"}  # 0.9-int8 failed in it
    about = study.levels[0].actor.provenance
    assert (study.levels[0].name, about.seed, about.variant) == ("dense", 1, "0")
    other = of_run(Run(run), "0")
    assert {level.name for level in other.levels} == {"dense", "0.9", "0.9-int8"}
    assert study.levels[0].recorded.startswith("-8.00 (") and "3 seeds" in study.levels[0].recorded
    with_int8 = of_run(Run(run), "2", ("0", "0.9-int8"))
    assert [level.actor.provenance.variant for level in with_int8.levels] == ["0", "0.9-int8"]


def test_sizes_and_weights_of_a_run_are_those_of_what_export_writes(run: Path) -> None:
    study = of_run(Run(run), "0")
    for level in study.levels:
        assert level.size == len(packed.to_bytes(level.actor))


def test_the_page_of_a_run_goes_where_its_report_finds_it(
    run: Path, no_compiler: None, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main((run,))
    file = run / "report" / "play.html"
    (study,) = data_of(file)["studies"]
    assert study["environment"] == "gymnax/Pendulum-v1" and study["limit"] == 200
    assert capsys.readouterr().out.splitlines()[-1] == f"{file}: {file.stat().st_size:,} bytes"
    assert not list(run.rglob("*.part"))


def test_a_report_links_the_page_where_there_is_one(run: Path, no_compiler: None) -> None:
    link = '<a href="play.html">'
    assert link not in write_report(Run(run)).read_text()
    command.main((run,))
    assert link in write_report(Run(run)).read_text()


def test_one_actor_has_a_page_without_a_slider(
    pendulum: list[Path], tmp_path: Path, no_compiler: None
) -> None:
    command.main((pendulum[0],))
    text = (tmp_path / "play.html").read_text()
    assert 'type="range"' not in text.partition("<script")[0]
    assert text.count("<canvas") == 1


def test_names_cannot_end_the_script(
    pendulum: list[Path], tmp_path: Path, no_compiler: None
) -> None:
    loaded = packed.load(pendulum[0])
    evil = "</script><b>"
    about = replace(loaded.provenance, variant=evil)
    packed.save(tmp_path / "a.srl", replace(loaded, provenance=about))
    command.main((tmp_path / "a.srl",), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    assert evil not in text
    assert data_of(tmp_path / "a.html")["studies"][0]["levels"][0]["name"] == evil


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "WHAT: none given; "),
        ("nothing.srl", "nothing.srl: no such file; "),
        ("x --out page.gif", "--out: found page.gif; allowed are names that end in .html"),
        ("x --env gymnax/Pendulum-v1", "--env: found gymnax/Pendulum-v1; allowed: none"),
        ("x --seed 3", "--seed: found 3; allowed: median, or 0 to 2"),
        ("x --seed \N{SUPERSCRIPT TWO}", "--seed: found \N{SUPERSCRIPT TWO}; allowed: median"),
        ("x --arm 0.5", "variant: found 0.5; allowed: 0, 0.9, 0.9-int8"),
        ("x hopper.srl", "x: a directory among others; allowed: one, alone"),
        ("hopper.srl", "brax/hopper: the page cannot play it; allowed: gymnax/Pendulum-v1, "),
        ("hopper.srl --env gymnax/Pendulum-v1", "0.9: Pendulum-v1: gives float32 (3,), the actor"),
        ("hopper.srl --arm 0", "--arm and --seed: of a run only; found .srl files"),
        ("nameless.srl", "nameless.srl: names no environment; needed is --env"),
        ("text.srl", "text.srl: "),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    run: Path,
    no_compiler: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    line: str,
) -> None:
    monkeypatch.chdir(run.parent)
    graph = mlp_actor((11, 8, 3), 0.5)
    packed.save(Path("hopper.srl"), PackedActor(graph, Provenance("brax/hopper", "0.9")))
    packed.save(Path("nameless.srl"), PackedActor(graph))
    Path("text.srl").write_text("no actor")
    before = sorted(run.parent.rglob("*"))
    with pytest.raises(SystemExit) as end:
        command.run(words.split())
    assert end.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {line}")
    assert sorted(run.parent.rglob("*")) == before


def test_without_clang_nothing_is_written(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit) as end:
        command.run([str(run)])
    assert end.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "clang and wasm-ld: not found" in said and "apt-get install clang lld" in said
    assert not (run / "report").exists()
