"""What a notebook does with a finished run, trained here."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sparse_rl
from sparse_rl.config.error import ConfigError
from sparse_rl.envs import make
from sparse_rl.playing.play import play


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> sparse_rl.Run:
    config = sparse_rl.load_config(
        "sac_pendulum",
        seeds=2,
        first_seed=5,
        network={"hidden": [8]},
        replay={"capacity": 500, "batch_size": 8},
        training={"steps": 400, "learning_starts": 40},
        sparsity={"levels": [0, 0.5], "distribution": "uniform", "interval": 20},
        quantization={"modes": ["int8"]},
        evaluation={"every": 400, "episodes": 2, "final_episodes": 3},
        out=str(tmp_path_factory.mktemp("runs") / "x"),
    )
    return sparse_rl.train(config)


def test_the_summary_has_a_row_per_variant(run: sparse_rl.Run) -> None:
    summary = run.summary()
    assert list(summary["variant"]) == ["0", "0.5", "0-int8", "0.5-int8"]
    # 8 of 3 x 8 inputs, 8 x 1 means and 8 x 1 deviations: 40 weights, half of each layer goes.
    np.testing.assert_array_equal(summary["nonzero"], [40, 20, 40, 20])
    np.testing.assert_allclose(summary["achieved_sparsity"], [0, 0.5, 0, 0.5])


def test_metrics_know_every_member(run: sparse_rl.Run) -> None:
    final = run.metrics.query("phase == 'final' and metric == 'return'")
    assert len(final) == 2 * 4
    assert set(final["seed"]) == {5, 6}
    assert run.final_returns("0.5-int8").keys() == {5, 6}


def test_the_spread_of_returns_is_recorded_for_exports_check(run: sparse_rl.Run) -> None:
    recorded = run.recorded_return("0.5", 6)
    assert recorded.mean == run.final_returns("0.5")[6] and recorded.episodes == 3
    assert recorded.spread > 0
    actor, environment = run.actor("0.5", 6), make("gymnax/Pendulum-v1", evaluation=True)
    assert not recorded.contradicts(play(actor, environment, 4, seed=0).returns)


def test_a_number_is_the_variant_of_that_sparsity(run: sparse_rl.Run) -> None:
    observation = [0.3, 0.2, 0.1]
    assert run.actor(0.5, 6)(observation) == run.actor("0.5", 6)(observation)
    assert run.actor(0, 6).provenance.variant == "0"


def test_an_actor_acts_as_the_trained_policy(run: sparse_rl.Run) -> None:
    from safetensors.numpy import load_file

    arrays = load_file(run.path / "policies" / "0.5.safetensors")
    layer = {name.removeprefix("params/"): array[1] for name, array in arrays.items()}
    observation = np.array([0.3, -0.9, 2.0], np.float32)
    hidden = np.maximum(observation @ layer["hidden_0/kernel"] + layer["hidden_0/bias"], 0)
    expected = 2.0 * np.tanh(hidden @ layer["mean/kernel"] + layer["mean/bias"])  # torque limit
    np.testing.assert_allclose(run.actor("0.5", seed=6)(observation), expected, rtol=1e-5)


def test_an_actor_needs_neither_jax_nor_the_environment(run: sparse_rl.Run) -> None:
    observation = [0.3, -0.9, 2.0]
    program = (
        f"import sys, sparse_rl\n"
        f"action = sparse_rl.Run({str(run.path)!r}).actor('0.5-int8', 6)({observation})\n"
        f"print(float(action[0]), sorted({{'jax', 'gymnax'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    action, _, modules = done.stdout.strip().partition(" ")
    assert modules == "[]", done.stderr
    assert float(action) == run.actor("0.5-int8", 6)(observation)[0]


def test_a_damaged_network_is_named(run: sparse_rl.Run, tmp_path: Path) -> None:
    copy = sparse_rl.Run(shutil.copytree(run.path, tmp_path / "run"))
    file = copy.path / "network.json"
    content = file.read_text()
    for text, message in (("{", "damaged: "), (content.replace('"features": 8', '"features": 9'),
                                              "policy: hidden_0/bias has the shape")):  # fmt: skip
        file.write_text(text)
        with pytest.raises(ValueError, match=message) as caught:
            copy.actor("0.5", 5)
        assert str(copy.path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_of_format_1_needs_the_spec_of_its_environment(
    run: sparse_rl.Run, tmp_path: Path
) -> None:
    old = shutil.copytree(run.path, tmp_path / "run")
    for name in ("run.json", "variants.json", "network.json"):
        (old / name).unlink()
    metrics = run.metrics.rename(columns={"arithmetic": "quantization"})
    columns = ["step", "phase", "seed", "sparsity", "quantization", "metric", "value"]
    metrics[columns].to_csv(old / "metrics.csv", index=False)
    with pytest.raises(ValueError, match=r"format 1 has no network\.json; needed is the spec"):
        sparse_rl.Run(old).actor("0.5-int8", 6)
    actor = sparse_rl.Run(old).actor("0.5-int8", 6, make("gymnax/Pendulum-v1").spec)
    observation = np.array([0.3, -0.9, 2.0], np.float32)
    np.testing.assert_array_equal(actor(observation), run.actor("0.5-int8", 6)(observation))


def test_unknown_variants_and_seeds_are_refused(run: sparse_rl.Run) -> None:
    with pytest.raises(
        ValueError, match=r"^variant: found 0\.7; allowed: 0, 0\.5, 0-int8, 0\.5-int8$"
    ):
        run.actor("0.7", 5)
    with pytest.raises(ValueError, match=r"^seed: found 0; allowed: 5 to 6$"):
        run.actor("0.5", 0)
    with pytest.raises(ValueError, match=r"^seed: found best; allowed: 5 to 6$"):
        run.actor("0.5", "best")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^run: found 'runs/x'; allowed: a sparse_rl\.Run$"):
        sparse_rl.write_report("runs/x")  # type: ignore[arg-type]


def test_a_second_run_does_not_overwrite_the_first(run: sparse_rl.Run) -> None:
    before = (run.path / "metrics.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"^out: "):
        sparse_rl.train(replace(run.config, out=str(run.path)))
    assert (run.path / "metrics.csv").read_bytes() == before
    assert not list(Path(run.path).rglob("*.part"))


def test_the_report_and_the_event_files_lie_in_the_run_directory(run: sparse_rl.Run) -> None:
    member = run.path / "tensorboard" / "0.5-int8" / "seed-6"
    assert list(member.glob("events.out.tfevents.*")), "written while the run went on"
    page = sparse_rl.write_report(run)
    assert page == run.path / "report" / "index.html"
    assert "0.5-int8" in page.read_text()
