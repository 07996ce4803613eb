"""The commands export and evaluate, on a run directory written by hand."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from sparse_rl import evaluate, export
from sparse_rl.artifact import reference
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.packed import load
from sparse_rl.config import Config, NetworkConfig, to_yaml
from sparse_rl.report.run_directory import COLUMNS

pytest.importorskip("onnxruntime")
RETURNS = {0: -900.0, 1: -200.0, 2: float("nan")}
CONFIG = Config(environment="gymnax/Pendulum-v1", seeds=3, network=NetworkConfig(hidden=(8, 8)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three seeds of a Pendulum actor; seed 1 has the best return."""
    path = tmp_path_factory.mktemp("run")
    (path / "config.yaml").write_text(to_yaml(CONFIG))
    lines = [",".join(COLUMNS)]
    lines += [f"1000,final,{s},0.9,int8,return,{v}" for s, v in RETURNS.items()]
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
    save_file(arrays, path / "policies" / "0.9-int8.safetensors")
    return path, arrays


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_the_exported_actor_is_the_best_seed_and_plays(run, tmp_path, capsys):
    path, arrays = run
    formats = ("packed", "c", "onnx", "packed-integer", "c-integer", "onnx-integer")
    export.main(path, "0.9-int8", format=formats, out=tmp_path / "actor", episodes=2)
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
    cost = json.loads((tmp_path / "actor" / "cost.json").read_text())
    trained = 3 * 8 + 8 + 8 * 8 + 8 + 2 * (8 + 1)
    assert cost["bytes"]["dense_float32"] == 4 * trained
    kept = sum(arrays[f"masks/{n}/kernel"][1].sum() for n in ("hidden_0", "hidden_1", "mean"))
    assert cost["sparsity"] == pytest.approx(1 - kept / (3 * 8 + 8 * 8 + 8), abs=0.02)
    capsys.readouterr()
    evaluate.main(tmp_path / "actor" / "actor.srl", episodes=3, backend="numpy")
    by_numpy = capsys.readouterr().out
    evaluate.main(tmp_path / "actor" / "actor.srl", episodes=3, backend="c")
    by_c = capsys.readouterr().out
    assert by_numpy.splitlines()[1].split()[1] == by_c.splitlines()[1].split()[1]
    assert "gymnax/Pendulum-v1" in by_c and "length 200" in by_c
    assert reference.act(packed.graph, np.zeros((1, 3), np.float32)).shape == (1, 1)


@pytest.mark.parametrize(
    ("arm", "seed", "message"),
    [
        ("0.5", "best", "^arm: found 0.5; allowed: 0.9-int8"),
        ("0.9-int8", "7", "--seed: found 7; allowed: best, or 0 to 2"),
        ("0.9-int8", "first", "--seed: found first; allowed: best, or 0 to 2"),
    ],
)
def test_mistakes_are_one_line(run, arm, seed, message):
    with pytest.raises(ValueError, match=message):
        export.main(run[0], arm, seed)


def test_an_actor_does_not_play_in_another_world(run, tmp_path):
    export.main(run[0], "0.9-int8", "0", ("packed",), tmp_path, episodes=1)
    with pytest.raises(ValueError, match="the actor reads"):
        evaluate.main(tmp_path / "actor.srl", env="gymnax/CartPole-v1")
    with pytest.raises(ValueError, match="no such file"):
        evaluate.main(tmp_path / "other.srl")
