"""The commands export and evaluate, on a run directory written by hand."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from sparse_rl import evaluate, export
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.artifact import cost, reference
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.packed import load
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.report.costs import variant_costs
from sparse_rl.report.figures import frontier
from sparse_rl.report.findings import analyse
from sparse_rl.runs.format_1 import OLD_COLUMNS
from sparse_rl.runs.run import Run
from sparse_rl.summary.final_table import final_table

pytest.importorskip("onnxruntime")
RETURNS = {0: -900.0, 1: -200.0, 2: float("nan")}
CONFIG = Config(environment="gymnax/Pendulum-v1", seeds=3, network=TorsoOptions(hidden=(8, 8)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three seeds of a Pendulum actor; seed 1 has the best return."""
    path = tmp_path_factory.mktemp("run")
    (path / "config.yaml").write_text(to_yaml(CONFIG))
    lines = [",".join(OLD_COLUMNS)]
    lines += [f"1000,final,{s},0.9,int8,return,{v}" for s, v in RETURNS.items()]
    lines += [f"1000,final,{s},0,float32,return,{-v}" for s, v in RETURNS.items()]
    lines += [f"1000,final,{s},0.98,float32,return," for s in RETURNS]
    (path / "metrics.csv").write_text("\n".join(lines) + "\n")
    random = np.random.default_rng(0)
    arrays = {}
    for name, inputs, outputs in (
        ("hidden_0", 3, 8), ("hidden_1", 8, 8), ("mean", 8, 1), ("log_std", 8, 1),
    ):  # fmt: skip
        arrays[f"params/{name}/kernel"] = random.standard_normal((3, inputs, outputs))
        arrays[f"params/{name}/bias"] = random.standard_normal((3, outputs))
        arrays[f"masks/{name}/kernel"] = random.random((3, inputs, outputs)) < 0.5
    arrays = {k: v if v.dtype == bool else v.astype(np.float32) for k, v in arrays.items()}
    (path / "policies").mkdir()
    for arm in ("0.9-int8", "0"):
        save_file(arrays, path / "policies" / f"{arm}.safetensors")
    return path, arrays


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_the_exported_actor_is_the_best_seed_and_plays(run, tmp_path, capsys):
    path, arrays = run
    formats = ("packed", "c", "onnx", "packed-integer", "c-integer", "onnx-integer")
    export.main(path, ("0.9-int8",), format=formats, out=tmp_path / "actor", episodes=2)
    written = {file.name for file in (tmp_path / "actor").iterdir()}
    assert written == {
        "actor.srl", "actor.onnx", "c", "actor-integer.srl", "actor-integer.onnx", "c-integer",
        "cost.json",
    }  # fmt: skip
    packed = load(tmp_path / "actor" / "actor.srl")
    about = packed.provenance
    assert (about.seed, about.arm, about.measured_return) == (1, "0.9-int8", -200.0)
    assert about.config_digest == CONFIG.digest()
    assert packed.graph.output.low == (-2.0,) and packed.graph.output_shape == (1,)
    costs = json.loads((tmp_path / "actor" / "cost.json").read_text())
    trained = 3 * 8 + 8 + 8 * 8 + 8 + 2 * (8 + 1)
    assert costs["bytes"]["dense_float32"] == 4 * trained
    kept = sum(arrays[f"masks/{n}/kernel"][1].sum() for n in ("hidden_0", "hidden_1", "mean"))
    assert costs["sparsity"] == pytest.approx(1 - kept / (3 * 8 + 8 * 8 + 8), abs=0.02)
    capsys.readouterr()
    evaluate.main(tmp_path / "actor" / "actor.srl", episodes=3, backend="numpy")
    by_numpy = capsys.readouterr().out
    evaluate.main(tmp_path / "actor" / "actor.srl", episodes=3, backend="c")
    by_c = capsys.readouterr().out
    assert by_numpy.splitlines()[1].split()[1] == by_c.splitlines()[1].split()[1]
    assert "gymnax/Pendulum-v1" in by_c and "length 200" in by_c
    assert reference.act(packed.graph, np.zeros((1, 3), np.float32)).shape == (1, 1)


def test_all_arms_in_one_command_give_the_frontier_its_points(run, tmp_path, capsys, monkeypatch):
    shutil.copytree(run[0], tmp_path / "run")
    monkeypatch.setattr(cost, "find_compiler", lambda: None)  # nothing is timed here
    export.main(tmp_path / "run", ("all",), format=("packed",), episodes=1)
    said = capsys.readouterr().out
    assert "arm 0.98 is left out: no seed has a finite return" in said
    folders = tmp_path / "run" / "artifacts"
    seeds = {arm.name: load(arm / "actor.srl").provenance.seed for arm in folders.iterdir()}
    assert seeds == {"0.9-int8": 1, "0": 0}, "each arm's own best seed"
    study = Run(tmp_path / "run")
    costs = variant_costs(study, list(final_table(study.metrics).variant)).set_index("variant")
    sizes = {arm: (folders / arm / "actor.srl").stat().st_size for arm in seeds}
    assert costs["bytes"].to_dict() == sizes
    assert frontier.draw(analyse(study)) is not None


def test_several_arms_have_folders_of_their_own_in_out(run, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "find_compiler", lambda: None)
    arms = ("0", "0.9-int8", "0")
    export.main(run[0], arms, format=("packed",), out=tmp_path / "actors", episodes=1)
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*") if file.is_file()}
    assert files == {
        f"actors/{arm}/{name}" for arm in ("0", "0.9-int8") for name in ("actor.srl", "cost.json")
    }
    assert not (run[0] / "artifacts").exists()


@pytest.mark.parametrize(
    ("arm", "seed", "message"),
    [
        (("0.9-int8", "0.5"), "best", "^--arm: found 0.5; allowed: all, 0.9-int8, 0, 0.98$"),
        (("0.9-int8",), "7", "--seed: found 7; allowed: best, or 0 to 2"),
        (("all",), "first", "--seed: found first; allowed: best, or 0 to 2"),
        (("0.98",), "best", "--seed: found best, and no seed of arm 0.98 has a finite return"),
        ((), "best", "--arm: found none; allowed: all, or 0.9-int8, 0, 0.98"),
    ],
)
def test_mistakes_are_one_line(run, arm, seed, message):
    with pytest.raises(ValueError, match=message):
        export.main(run[0], arm, seed)


def test_an_actor_does_not_play_in_another_world(run, tmp_path):
    export.main(run[0], ("0.9-int8",), "0", ("packed",), tmp_path, episodes=1)
    with pytest.raises(ValueError, match="the actor reads"):
        evaluate.main(tmp_path / "actor.srl", env="gymnax/CartPole-v1")
    with pytest.raises(ValueError, match="no such file"):
        evaluate.main(tmp_path / "other.srl")
