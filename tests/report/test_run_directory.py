import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sparse_rl.report.run_directory import arm_name, arms_of, read_policy, read_run

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("sparsity", "quantization", "name"),
    [(0.0, "float32", "0"), (0.98, "float32", "0.98"), (0.9, "int8", "0.9-int8")],
)
def test_arm_names(sparsity: float, quantization: str, name: str) -> None:
    assert arm_name(sparsity, quantization) == name


def test_arms_are_sorted_by_quantization_then_level(make_run: MakeRun) -> None:
    run = read_run(make_run(levels=(0.9, 0.0, 0.5), modes=("int8", "int8w")))
    arms = [arm_name(*arm) for arm in arms_of(run.metrics)]
    assert arms == [
        *("0", "0.5", "0.9"),
        *("0-int8w", "0.5-int8w", "0.9-int8w"),
        *("0-int8", "0.5-int8", "0.9-int8"),
    ]


def test_policy_masks_are_stacked_over_seeds(make_run: MakeRun) -> None:
    run = read_run(make_run(seeds=3))
    assert read_policy(run, "0.5")["masks/hidden_0/kernel"].shape == (3, 11, 64)
    assert read_policy(run, "0.123") == {}


def test_rows_that_a_resumed_run_wrote_again_replace_the_first(make_run: MakeRun) -> None:
    path = make_run()
    with (path / "metrics.csv").open("a") as file:
        file.write("100000,final,0,0.98,float32,return,-7.5\n")
    metrics = read_run(path).metrics
    rows = metrics.query("phase == 'final' and seed == 0 and sparsity == 0.98")
    rows = rows[(rows.metric == "return") & (rows.quantization == "float32")]
    assert list(rows.value) == [-7.5]


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("metrics.csv", "quantization", "bits", "column 'quantization' is missing"),
        ("metrics.csv", ",20.0\n", ",much\n", "line 2: value 'much' is not a number"),
        ("metrics.csv", "prefill", "warmup", "phase 'warmup' is unknown; allowed are prefill"),
        ("metrics.csv", ",float32,", ",int4,", "quantization 'int4' is unknown"),
        ("metrics.csv", "5000,prefill", ",prefill", "line 2: step is empty"),
        ("config.yaml", "environment:", "environment: [", "not YAML"),
    ],
)
def test_malformed_files_give_one_line(
    make_run: MakeRun, file: str, old: str, new: str, message: str
) -> None:
    path = make_run()
    spoil(path / file, old, new)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_run(path)
    assert str(path / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["metrics.csv", "config.yaml"])
def test_missing_files_are_named(make_run: MakeRun, file: str) -> None:
    path = make_run()
    (path / file).unlink()
    with pytest.raises(ValueError, match=f"{file}: missing"):
        read_run(path)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a directory"):
        read_run(tmp_path / "nowhere")
