"""The command from a run, or a file, to the delivered actor; what a second start does."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.synthetic import mlp_actor
from sparse_rl import compress
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.cost import measurement
from sparse_rl.artifact.packed import PackedActor, Provenance, save
from sparse_rl.artifact.runtime import load_actor
from sparse_rl.config import program
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.runs.variant import DENSE
from sparse_rl.runtime import compilation_cache
from sparse_rl.selection import compression, making
from tests import broken_compiler, own_package, run_by_hand


@pytest.fixture(autouse=True)
def as_in_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation_cache, "use", lambda _: None)  # the tests have their own
    monkeypatch.setattr(compression, "find_compiler", lambda: None)  # nothing is timed here
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    run_by_hand.write(path, {DENSE: (-9.0, -8.0, -7.0)})
    return path


def call(*words: object) -> None:
    program.call(compress.main, [str(word) for word in words])


def test_a_compiler_that_fails_is_told_once_and_costs_no_work(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "find_compiler", find_compiler)
    folder = broken_compiler.write(run.parent / "bin")
    monkeypatch.setenv("PATH", folder + ":/usr/bin:/bin")
    words = ["--methods", "prune", "--levels", "0.5", "--arithmetic", "float32"]
    call(run, *words, "--episodes", "2", "--margin", "5000", "--format", "packed", "c")
    printed = " ".join(capsys.readouterr().out.split())
    assert f"C is not run: {folder}/cc failed: cc: fatal error: no headers" in printed
    assert printed.count("cc failed") == 1
    table = pd.read_csv(run / "compressed" / "candidates.csv").set_index("candidate")
    assert set(table.index) == {"original", "prune0.5"}
    assert (run / "compressed" / "delivered" / "c" / "srl_actor.c").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--arithmetic", "int7"], "--arithmetic: found int7 beside --chain, which says its own"),
        (["--levels", "0.5"], "--levels: found 0.5 beside --chain, which says its own"),
    ],
)
def test_a_chain_alone_heeds_no_levels(run: Path, words: list[str], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        call(run, "--chain", "int8", *words)
    assert not (run / "compressed").exists()


def test_from_a_run_to_the_delivered_actor(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run / "compressed"
    words = [run, "--methods", "prune", "--levels", "0.5", "--arithmetic", "float32", "int8"]
    words += ["--chain", "units:0.5+int8_static", "--episodes", "4", "--margin", "5000"]
    call(*words)
    printed = capsys.readouterr().out
    table = pd.read_csv(out / "candidates.csv").set_index("candidate")
    assert set(table.index) == {
        "original",
        "int8",
        "prune0.5",
        "prune0.5+int8",
        "units0.5+int8_static",
    }
    # With such a margin all are not worse, so the smallest is delivered.
    assert set(table.verdict.dropna()) == {"not worse"}
    chosen = table.bytes.idxmin()
    card = json.loads((out / "delivered" / "card.json").read_text())
    assert card["variant"] == chosen and chosen in printed
    assert (card["verdict"], card["reference"]) == ("not worse", "the original")
    assert card["difference"][0] == pytest.approx(table.difference[chosen])
    file = next((out / "delivered").glob("actor*.srl"))
    assert card["files"][file.name]["bytes"] == file.stat().st_size
    actor = load_actor(file, "numpy")
    returns = pd.read_csv(out / "returns.csv").groupby(["candidate", "policy"])["return"].mean()
    played = play(actor, make(run_by_hand.PENDULUM, evaluation=True), 4, compression.STARTS)
    np.testing.assert_allclose(played.returns.mean(), returns[chosen].max(), rtol=1e-5)
    again = play(actor, make(run_by_hand.PENDULUM, evaluation=True), 4, compression.FRESH)
    measured = again.returns.mean()  # not that by which it was chosen
    np.testing.assert_allclose(actor.provenance.measured_return, measured, rtol=1e-5)
    page = (out / "report" / "index.html").read_text()
    assert chosen in page and "With fresh starts" in page
    assert (out / "film.gif").read_bytes().startswith(b"GIF89a")

    # A second start makes nothing anew, and says so; the table is the same.
    before = (out / "candidates.csv").read_bytes()
    stamp = {file: file.stat().st_mtime_ns for file in (out / "actors").rglob("*.srl")}
    call(*words)
    assert "4 candidates exist already" in capsys.readouterr().out
    assert (out / "candidates.csv").read_bytes() == before
    kept = {file for file, then in stamp.items() if file.stat().st_mtime_ns == then}
    assert {file.parent.name for file in stamp} - {file.parent.name for file in kept} == {
        "original"
    }
    with pytest.raises(ValueError, match=r"compressed: holds another compression \(candidates"):
        call(run, "--methods", "prune", "--levels", "0.6", "--episodes", "4")


def test_interrupted_it_goes_on_from_the_candidates_that_are_there(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(run), "--chain", "int8", "prune:0.5", "--episodes", "3", "--margin", "9999"]
    keep = making.Folder.keep

    def interrupted(folder: making.Folder, candidate: str, *rest: Any) -> None:
        if candidate == "prune0.5":
            raise KeyboardInterrupt
        keep(folder, candidate, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(making.Folder, "keep", interrupted)
        with pytest.raises(SystemExit) as end:
            compress.run(words)
    assert end.value.code == 130
    assert "run the same command again to continue" in capsys.readouterr().err
    call(*words)
    assert "1 candidates exist already" in capsys.readouterr().out


@pytest.mark.parametrize("verdict", ["not worse", "undecided"])
def test_what_fresh_starts_do_not_confirm_is_delivered_and_said(
    verdict: str,
    run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    confirm = compression.Compression.confirm

    def found(*arguments: Any) -> tuple[pd.DataFrame, np.ndarray]:
        frame, fresh = confirm(*arguments)
        return frame.assign(verdict=verdict), fresh

    monkeypatch.setattr(compression.Compression, "confirm", found)
    words = ["--chain", "int8", "--episodes", "3", "--margin", "9999", "--format", "packed"]
    call(run, *words)
    printed = capsys.readouterr().out
    assert "delivered: int8" in printed
    assert ("not confirmed from fresh starts" in printed) == (verdict == "undecided")


def test_in_rougher_worlds_the_chosen_one_is_played_beside_the_original(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [run, "--chain", "prune:0.5", "--episodes", "4", "--margin", "5000"]
    call(*words)
    out = run / "compressed"
    fresh = json.loads((out / "delivered" / "card.json").read_text())["fresh_difference"]
    assert list(pd.read_csv(out / "confirmed.csv").world) == ["as it is"]
    capsys.readouterr()

    call(*words, "--disturbances", "noise:0.5", "delay:3", "time_limit:20")
    printed = capsys.readouterr().out
    assert "1 candidates exist already" in printed and "time_limit:20" in printed
    found = pd.read_csv(out / "confirmed.csv").set_index("world")
    assert list(found.index) == ["as it is", "noise:0.5", "delay:3", "time_limit:20"]
    np.testing.assert_allclose(
        found.loc["as it is", ["difference", "difference_low", "difference_high"]].tolist(), fresh
    )
    np.testing.assert_allclose(found.difference, found["return"] - found.original, atol=60)
    # A tenth of an episode, a tenth of its cost; the other worlds are not the one as it is.
    assert found.original["time_limit:20"] > 0.3 * found.original["as it is"]
    assert found.original[["noise:0.5", "delay:3"]].nunique() == 2
    assert (found.original[["noise:0.5", "delay:3"]] != found.original["as it is"]).all()
    page = (out / "report" / "index.html").read_text()
    assert "In rougher worlds" in page and "delay:3" in page


def test_a_world_that_cannot_be_is_refused_before_anything_is_made(run: Path) -> None:
    with pytest.raises(ValueError, match=r"--disturbances: environment .* unknown option mass"):
        call(run, "--chain", "int8", "--disturbances", "mass:2")
    assert not (run / "compressed").exists()


def test_a_packed_file_is_a_source(run: Path, tmp_path: Path) -> None:
    call(run, "--chain", "int8", "--episodes", "3", "--margin", "9999", "--format", "packed")
    file = run / "compressed" / "delivered" / "actor.srl"
    call(file, "--chain", "prune:0.5", "--episodes", "3", "--out", tmp_path / "again")
    table = pd.read_csv(tmp_path / "again" / "candidates.csv")
    assert list(table.candidate) == ["original", "prune0.5"]


def test_packages_have_the_names_that_were_asked_for_and_what_cannot_be_is_left_out(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [run, "--chain", "int8", "--episodes", "3", "--margin", "9999", "--prefix", "swing"]
    call(*words, "--format", "arduino", "qonnx", "packed")
    delivered = run / "compressed" / "delivered"
    assert {path.name for path in delivered.iterdir()} == {"arduino", "actor.srl", "card.json"}
    header = next((delivered / "arduino").rglob("swing_actor.h")).read_text()
    assert "swing_act(" in header and "srl_" not in header
    printed = capsys.readouterr().out
    assert re.search(r"qonnx +left out: QONNX has no scales that are found", printed)


DATA = Path(__file__).parent / "importers" / "data"


def test_policies_of_another_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small"
    words = ["--normalizer", DATA / "ppo_normalized.pkl", "--env", "gymnax/CartPole-v1"]
    words += ["--chain", "int8", "--episodes", "5", "--margin", "500", "--format", "packed"]
    call(DATA / "ppo_normalized.zip", *words, "--out", out)
    printed = capsys.readouterr().out
    assert "Stable-Baselines3 2." in printed and "PPO" in printed and "VecNormalize" in printed
    assert (
        load_actor(out / "delivered" / "actor.srl").provenance.environment == "gymnax/CartPole-v1"
    )


def test_a_file_that_does_not_say_how_it_acts(tmp_path: Path) -> None:
    """An ONNX model that gives means: squashed as SAC's, or clipped as PPO's?"""
    onnx = pytest.importorskip("onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).standard_normal((3, 1)).astype(np.float32)
    constants = [
        onnx.numpy_helper.from_array(weights, "weights"),
        onnx.numpy_helper.from_array(np.zeros(1, np.float32), "bias"),
    ]
    values = [
        helper.make_tensor_value_info(name, float32, ["batch", size])
        for name, size in (("observation", 3), ("mean", 1))
    ]
    node = helper.make_node("Gemm", ["observation", "weights", "bias"], ["mean"])
    graph = helper.make_graph([node], "policy", values[:1], values[1:], constants)
    file = tmp_path / "means.onnx"
    onnx.save(helper.make_model(graph), file)
    words = [file, "--env", "gymnax/Pendulum-v1", "--chain", "int8", "--margin", "9999"]
    words += ["--episodes", "3", "--format", "packed", "--out", tmp_path / "x"]
    with pytest.raises(ValueError, match=r"needed is --actions squash or clip$"):
        call(*words)
    with pytest.raises(ValueError, match=r"^--actions: found argmax; allowed: squash, clip$"):
        call(*words, "--actions", "argmax")
    call(*words, "--actions", "squash")


def test_nothing_is_delivered_where_all_are_worse(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression.table, "smallest", lambda _: None)
    call(run, "--chain", "prune:0.5", "--episodes", "3")
    assert "nothing is delivered" in capsys.readouterr().out
    assert not (run / "compressed" / "delivered").exists()
    page = (run / "compressed" / "report" / "index.html").read_text()
    assert "No candidate is shown to be not worse" in page


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "nowhere: no such file; needed is a run directory or a policy"),
        (["RUN", "RUN"], "beside a run; allowed: one run, or files of policies"),
        (["RUN", "--chain", "prun:0.5"], "--chain: unknown pass 'prun'"),
        (["RUN", "--levels", "1.5"], "levels"),
        (["RUN", "--methods", "shrink"], "--methods: found shrink; allowed: narrow, prune, "),
        (["RUN", "--arm", "0.9"], "variant: found 0.9; allowed: 0"),
        (
            ["RUN", "--env", "gymnax/CartPole-v1"],
            "gives float32 (4,), the actor reads",
        ),
        (["RUN", "--normalizer", "x.pkl"], "--normalizer: beside a run"),
        (["RUN", "--out", "RUN"], "is not empty; allowed: a new folder as --out"),
        (["RUN", "--format", "c++"], "format"),
        (["RUN", "--prefix", "1st"], "prefix: found '1st'"),
        ([], "SOURCE: none given"),
    ],
)
def test_what_is_wrong_in_one_line(run: Path, words: list[str], line: str) -> None:
    with pytest.raises(ValueError) as raised:
        call(*(str(run) if word == "RUN" else word for word in words))
    assert line in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_from_an_environment_of_a_package_of_ones_own(tmp_path: Path) -> None:
    with own_package.written(tmp_path, "outside_compress") as environment:
        file = tmp_path / "actor.srl"
        save(file, PackedActor(mlp_actor((3, 4, 1)), Provenance(environment=environment)))
        call(file, "--import", "outside_compress", "--chain", "prune:0.5", "--episodes", "2")
    table = pd.read_csv(tmp_path / "actor_small" / "candidates.csv").set_index("candidate")
    assert set(table.index) == {"original", "prune0.5"}
    assert (table["return"] == own_package.RETURN).all()
