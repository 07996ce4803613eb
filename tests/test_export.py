"""The commands export and evaluate, on a run directory written by hand."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.synthetic import mlp_actor
from sparse_rl import evaluate, export
from sparse_rl.architecture import Dense, Network, Observation, Squash, hidden_layers
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.artifact import cost, formats, reference
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.cost import measurement
from sparse_rl.artifact.packed import PackedActor, Provenance, load, save
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.report.costs import variant_costs
from sparse_rl.report.figures import frontier
from sparse_rl.report.findings import analyse
from sparse_rl.runs.metrics import Row
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.runs.writer import RunWriter
from sparse_rl.summary.final_table import final_table
from tests import broken_compiler, own_package

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
CONFIG = Config(environment="gymnax/Pendulum-v1", seeds=3, network=TorsoOptions(hidden=(8, 8)))
NETWORK = Network(
    Observation((3,)), hidden_layers((8, 8)), (Dense("mean", 1),), Squash((-2.0,), (2.0,))
)
INT8 = Variant(sparsity=0.9, arithmetic="int8")
PRUNED = Variant(sparsity=0.98)
FAILED = 2
"""The seed that has no return."""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Three seeds of Pendulum actors with the returns that they do get, and one without."""
    path = tmp_path_factory.mktemp("runs") / "run"
    random = np.random.default_rng(0)
    params, masks = {}, {}
    for name, inputs, outputs in (
        ("hidden_0", 3, 8), ("hidden_1", 8, 8), ("mean", 8, 1), ("log_std", 8, 1),
    ):  # fmt: skip
        params[f"{name}/kernel"] = random.standard_normal((3, inputs, outputs)).astype(np.float32)
        params[f"{name}/bias"] = random.standard_normal((3, outputs)).astype(np.float32)
        masks[f"{name}/kernel"] = random.random((3, inputs, outputs)) < 0.5
    writer = RunWriter(path)
    writer.claim()
    writer.begin(to_yaml(CONFIG), "", NETWORK, [], [DENSE, INT8, PRUNED])
    for variant in (INT8, DENSE):
        writer.save_policies(variant.name, params, masks)
        writer.append(Row(9, "final", s, variant.name, "return", -900.0) for s in range(3))
    writer.append(Row(9, "final", s, PRUNED.name, "return", float("nan")) for s in range(3))
    environment = make(CONFIG.environment, evaluation=True)
    returns = {}
    for variant in (INT8, DENSE):
        for seed in range(3):
            graph = Run(path).packed(variant.name, seed).graph
            episodes = play(
                lambda seen, graph=graph: reference.act(graph, seen), environment, 30, 99
            )
            returns[variant.name, seed] = episodes.returns.mean()
        returns[variant.name, FAILED] = float("nan")
        writer.append(
            Row(9, "final", seed, variant.name, "return", returns[variant.name, seed])
            for seed in range(3)
        )
    writer.close()
    return path, {**params, **{f"masks/{name}": mask for name, mask in masks.items()}}, returns


@pytest.fixture
def run(written, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(written[0], tmp_path / "run")


def best(returns, variant):
    return max(
        (seed for seed in range(3) if seed != FAILED), key=lambda s: returns[variant.name, s]
    )


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_the_exported_actor_is_the_best_seed_and_plays(written, tmp_path, capsys):
    path, arrays, returns = written
    seed = best(returns, INT8)
    export.main(path, ("0.9-int8",), out=tmp_path / "actor", episodes=2)
    written = {file.name for file in (tmp_path / "actor").iterdir()}
    assert written == {"actor.srl", "actor.onnx", "c", "cost.json", "card.json"}
    packed = load(tmp_path / "actor" / "actor.srl")
    about = packed.provenance
    assert (about.seed, about.variant) == (seed, "0.9-int8")
    assert about.measured_return == pytest.approx(returns["0.9-int8", seed])
    assert about.config_digest == CONFIG.digest()
    assert packed.graph.output.low == (-2.0,) and packed.graph.output_shape == (1,)
    costs = json.loads((tmp_path / "actor" / "cost.json").read_text())
    trained = 3 * 8 + 8 + 8 * 8 + 8 + 2 * (8 + 1)
    assert costs["bytes"]["dense_float32"] == 4 * trained
    kept = sum(arrays[f"masks/{n}/kernel"][seed].sum() for n in ("hidden_0", "hidden_1", "mean"))
    assert costs["sparsity"] == pytest.approx(1 - kept / (3 * 8 + 8 * 8 + 8), abs=0.02)
    capsys.readouterr()
    evaluate.main(tmp_path / "actor" / "actor.srl", episodes=3, backend="numpy")
    by_numpy = capsys.readouterr().out
    evaluate.main(tmp_path / "actor" / "actor.srl", episodes=3, backend="c")
    by_c = capsys.readouterr().out
    assert by_numpy.splitlines()[1].split()[1] == by_c.splitlines()[1].split()[1]
    assert "gymnax/Pendulum-v1" in by_c and "length 200" in by_c
    assert reference.act(packed.graph, np.zeros((1, 3), np.float32)).shape == (1, 1)


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        (broken_compiler.FAILS, "cc: fatal error: no headers"),
        (broken_compiler.WRITES_NOTHING, "it ended without an error, and wrote nothing"),
    ],
    ids=["fails", "writes nothing"],
)
def test_a_compiler_that_fails_is_told_once_and_keeps_no_file_back(
    run, tmp_path, capsys, monkeypatch, compiler, said
):
    folder, out = broken_compiler.write(tmp_path / "bin", compiler), tmp_path / "out"
    monkeypatch.setenv("PATH", folder + ":/usr/bin:/bin")
    export.main(run, ("0",), "0", ("packed", "c"), out, episodes=1)
    printed = capsys.readouterr().out
    assert f"C is not run: {folder}/cc failed: {said}\n" in printed
    assert printed.count("cc failed") == 1
    assert "(not run: the C compiler failed)" in printed
    assert {one.name for one in out.iterdir()} == {"actor.srl", "c", "card.json", "cost.json"}
    costs = json.loads((out / "cost.json").read_text())
    assert costs["latency"]["c"] is None and said in costs["c_not_run"]
    assert not [name for name in costs["bytes"] if name.endswith("object")]


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_a_timing_program_that_dies_keeps_no_file_back(run, tmp_path, capsys, monkeypatch):
    compiler = broken_compiler.TIMES_NOTHING.replace("REAL", str(find_compiler()))
    folder, out = broken_compiler.write(tmp_path / "bin", compiler), tmp_path / "out"
    monkeypatch.setenv("PATH", folder + ":/usr/bin:/bin")
    export.main(run, ("0",), "0", ("packed", "c"), out, episodes=1)
    printed = capsys.readouterr().out
    said = "the timing program ended with status -4: illegal instruction"
    assert f"C is not run: {said}\n" in printed
    assert printed.count("actions differ by at most") == 2
    assert {one.name for one in out.iterdir()} == {"actor.srl", "c", "card.json", "cost.json"}
    costs = json.loads((out / "cost.json").read_text())
    assert costs["latency"]["c"] is None and costs["c_not_run"] == said


def test_the_card_is_in_every_format(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)  # nothing is timed here
    out = tmp_path / "out"
    formats = ("packed", "c", "esp-idf", "onnx")
    export.main(run, ("0.9-int8",), format=formats, out=out, episodes=2)
    told = json.loads((out / "card.json").read_text())
    assert told["in_words"][0].startswith(f"Seed {told['policy'].split()[1]}, the best of 3 seeds")
    assert set(told["files"]) == {
        "actor.srl", "actor.onnx", "c/srl_actor.c", "c/srl_actor.h", "c/srl_actor.hpp",
        "c/srl_selftest.c", "c/main.c", "c/Makefile", "esp-idf/CMakeLists.txt",
        "esp-idf/idf_component.yml", "esp-idf/include/srl_actor.h",
        "esp-idf/include/srl_actor.hpp", "esp-idf/src/srl_actor.c", "esp-idf/src/srl_selftest.c",
    }  # fmt: skip
    header = (out / "c" / "srl_actor.h").read_text()
    of_onnx = {p.key: p.value for p in onnx.load(out / "actor.onnx").metadata_props}
    assert of_onnx["card"].splitlines() == told["in_words"]
    assert all(line in header for line in told["in_words"])


def test_all_in_one_command_give_the_frontier_its_points(
    run, written, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)  # nothing is timed here
    export.main(tmp_path / "run", ("all",), format=("packed",), episodes=1)
    said = capsys.readouterr().out
    assert "0.98 is skipped: no seed has a finite return" in said
    folders = tmp_path / "run" / "artifacts"
    seeds = {arm.name: load(arm / "actor.srl").provenance.seed for arm in folders.iterdir()}
    assert seeds == {variant.name: best(written[2], variant) for variant in (INT8, DENSE)}
    study = Run(tmp_path / "run")
    costs = variant_costs(study, list(final_table(study.metrics).variant)).set_index("variant")
    sizes = {arm: (folders / arm / "actor.srl").stat().st_size for arm in seeds}
    assert costs["bytes"].to_dict() == sizes
    assert frontier.draw(analyse(study)) is not None


def test_several_have_folders_of_their_own_in_out(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)
    arms = ("0", "0.9-int8", "0")
    export.main(run, arms, format=("packed",), out=tmp_path / "actors", episodes=1)
    files = {
        str(file.relative_to(tmp_path))
        for file in (tmp_path / "actors").rglob("*.*")
        if file.is_file()
    }
    assert files == {
        f"actors/{arm}/{name}"
        for arm in ("0", "0.9-int8")
        for name in ("actor.srl", "card.json", "cost.json")
    }
    assert not (run / "artifacts").exists()


@pytest.mark.parametrize(
    ("arm", "seed", "message"),
    [
        (("0.9-int8", "0.5"), "best", "^--arm: found 0.5; allowed: all, 0, 0.98, 0.9-int8$"),
        (("0.9-int8",), "7", "--seed: found 7; allowed: best, or 0 to 2"),
        (("0",), "\N{SUPERSCRIPT TWO}", "--seed: found \N{SUPERSCRIPT TWO}; allowed: best, or 0"),
        (("all",), "first", "--seed: found first; allowed: best, or 0 to 2"),
        (("0.98",), "best", "--seed: found best, and no seed of 0.98 has a finite return"),
        ((), "best", "--arm: found none; allowed: all, or 0, 0.98, 0.9-int8"),
    ],
)
def test_mistakes_are_one_line(run, arm, seed, message):
    with pytest.raises(ValueError, match=message):
        export.main(run, arm, seed)


def test_an_actor_does_not_play_in_another_world(run, tmp_path):
    export.main(run, ("0.9-int8",), "0", ("packed",), tmp_path, episodes=1)
    with pytest.raises(ValueError, match="the actor reads"):
        evaluate.main(tmp_path / "actor.srl", env="gymnax/CartPole-v1")
    with pytest.raises(ValueError, match="no such file"):
        evaluate.main(tmp_path / "other.srl")
    with pytest.raises(ValueError, match="is a folder; needed is a packed actor"):
        evaluate.main(tmp_path)


def python(*arguments, **options):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def nothing_new(run, out):
    return (
        not (run / "artifacts").exists()
        and not out.exists()
        and not list(out.parent.glob("*.part"))
    )


def damage_bytes(run):
    file = run / "policies" / "0.9-int8.safetensors"
    content = bytearray(file.read_bytes())
    content[-200:-100] = bytes(100)
    file.write_bytes(content)


def damage_digest(run):
    damage_bytes(run)
    record = json.loads((run / "run.json").read_text())
    record["policies"]["0.9-int8.safetensors"] = "0" * 64
    (run / "run.json").write_text(json.dumps(record))


def damage_seeds(run):
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("seeds: 3", "seeds: 4"))


def damage_path(run):
    (run / "policies" / "0.9-int8.safetensors").unlink()
    (run / "policies" / "0.9-int8.safetensors").mkdir()


def damage_config(run):
    (run / "config.yaml").write_bytes(bytes(range(256)))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (damage_bytes, "0.9-int8.safetensors: damaged: SHA-256"),
        (damage_digest, "0.9-int8.safetensors: damaged: SHA-256"),
        (damage_seeds, "allowed: 4 seeds first, as config.yaml says"),
        (damage_path, "0.9-int8.safetensors: cannot be read: Is a directory"),
        (damage_config, "config.yaml: not UTF-8 text"),
    ],
)
def test_a_damaged_run_gives_one_line_and_no_actor(run, tmp_path, damage, named):
    damage(run)
    with pytest.raises(ValueError, match=re.escape(named)) as caught:
        export.main(run, ("0.9-int8",), "0", ("packed",), tmp_path / "out", episodes=1)
    assert "\n" not in str(caught.value) and nothing_new(run, tmp_path / "out")


def test_a_policy_that_does_not_get_its_recorded_return_is_refused(run, tmp_path):
    text = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_text(text + "9,final,0,0.9-int8,return,-30.0\n")
    with pytest.raises(ValueError, match=r"0\.9-int8, seed 0: return .* against -30 as recorded"):
        export.main(run, ("0.9-int8",), "0", ("packed",), tmp_path / "out", episodes=8)
    assert nothing_new(run, tmp_path / "out")


def test_what_cannot_be_written_leaves_the_old_actor(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)
    out = tmp_path / "out"
    export.main(run, ("0.9-int8",), "0", ("packed",), out, episodes=1)
    before = (out / "actor.srl").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device", "cost.json")

    monkeypatch.setattr(cost, "measure", full)
    with pytest.raises(OSError, match="No space left"):
        export.main(run, ("0",), "0", ("packed",), out, episodes=1)
    assert (out / "actor.srl").read_bytes() == before and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("name", ["file", "file/sub"])
def test_a_place_that_cannot_be_is_refused_before_playing(run, tmp_path, monkeypatch, name):
    monkeypatch.setattr(export, "deliver", lambda *_: pytest.fail("it has played"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="is a file; needed is a folder"):
        export.main(run, ("0",), "0", ("packed",), tmp_path / name, episodes=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.9-int8").touch()
    with pytest.raises(OSError, match="is a file; needed is a folder"):
        export.main(run, ("0", "0.9-int8"), "0", ("packed",), tmp_path / "out", episodes=1)


def test_the_current_folder_is_a_place_and_the_users_files_stay(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)
    here = tmp_path / "here"
    (here / "c").mkdir(parents=True)
    (here / "c" / "board.c").write_text("mine")
    monkeypatch.chdir(here)
    for prefix in ("old", "new"):
        export.run(f"{run} --arm 0 --format c --episodes 1 --prefix {prefix} --out .".split())
    names = {file.name for file in (here / "c").iterdir()}
    assert {"board.c", "old_actor.c", "new_actor.c"} <= names
    listed = json.loads((here / "card.json").read_text())["files"]
    assert "c/new_actor.c" in listed and "c/old_actor.c" not in listed
    assert {file.name for file in here.iterdir()} == {"c", "card.json", "cost.json"}


def test_printed_sizes_are_those_on_disk(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)
    words = "--format c cmake arduino esp-idf rust --prefix a_long_name_for_an_actor --episodes 1"
    export.run([str(run), "--arm", "0", *words.split(), "--out", str(tmp_path / "out")])
    told = re.findall(r"^  ([\w-]+) +([\d,]+) bytes  ", capsys.readouterr().out, re.MULTILINE)
    assert {form: int(size.replace(",", "")) for form, size in told[:5]} == {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in (tmp_path / "out").iterdir()
        if folder.is_dir()
    }


def test_without_onnx_it_is_left_out_and_said(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnx" else object())
    export.main(run, ("0",), "0", ("packed", "onnx"), tmp_path / "out", episodes=1)
    assert "onnx left out: onnx not installed; pip install" in capsys.readouterr().out
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "actor.srl", "card.json", "cost.json"
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"^--format: found onnx: onnx not installed"):
        export.main(run, ("0",), "0", ("onnx",), tmp_path / "out", episodes=1)


def test_the_command_ends_in_one_line_and_status_2(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    words = [str(run), "--arm", "0", "--format", "packed", "--episodes", "1"]
    done = python("sparse_rl.export", *words, "--out", str(tmp_path / "file"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / 'file'}: is a file; needed is a folder")
    for name, words in (
        ("sparse_rl.report", [str(run), "--out", str(tmp_path / "file")]),
        ("sparse_rl.evaluate", [str(tmp_path)]),
        ("sparse_rl.render", [str(tmp_path)]),
    ):
        done = python(name, *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_reader_who_leaves_early_costs_nothing(run, tmp_path):
    words = f"{run} --arm 0 0.9-int8 --format packed --episodes 1 --out {tmp_path / 'out'}"
    command = f"set -o pipefail; {sys.executable} -m sparse_rl.export {words} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert {file.parent.name for file in (tmp_path / "out").rglob("actor.srl")} == {"0", "0.9-int8"}


def test_evaluate_in_an_environment_of_a_package_of_ones_own(tmp_path, capsys):
    with own_package.written(tmp_path, "outside_evaluate") as environment:
        file = tmp_path / "actor.srl"
        save(file, PackedActor(mlp_actor((3, 4, 1)), Provenance(environment=environment)))
        evaluate.run([str(file), "--import", "outside_evaluate", "--episodes", "2"])
    assert f"return {own_package.RETURN:g} +- 0 " in capsys.readouterr().out
