"""What readers make of run directories: of both formats, whole and damaged."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparse_rl.report.findings import analyse
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import Variant
from sparse_rl.summary.kinds import variants

MakeRun = Callable[..., Path]
RESULTS = Path(__file__).parents[2] / "results"


def read(path: Path) -> Run:
    run = Run(path)
    analyse(run)
    assert run.settings and run.record
    return run


def test_variants_are_sorted_by_arithmetic_then_level(make_run: MakeRun) -> None:
    run = Run(make_run(levels=(0.9, 0.0, 0.5), modes=("int8", "int8w")))
    assert variants(run.metrics) == [
        *("0", "0.5", "0.9"),
        *("0-int8w", "0.5-int8w", "0.9-int8w"),
        *("0-int8", "0.5-int8", "0.9-int8"),
    ]


def test_both_formats_say_the_same(make_run: MakeRun) -> None:
    old, new = Run(make_run("old", format=1)), Run(make_run("new", format=2))
    assert (old.format, new.format) == (1, 2)
    pd.testing.assert_frame_equal(old.metrics, new.metrics)
    assert old.variants == new.variants
    assert new.variants["0.9-int8"] == Variant(sparsity=0.9, arithmetic="int8")
    pd.testing.assert_frame_equal(old.summary(), new.summary())
    kernels = (run.policies("0.5").params["hidden_0/kernel"] for run in (old, new))
    np.testing.assert_array_equal(*kernels)


@pytest.mark.parametrize(
    "results", sorted(file.parent.name for file in RESULTS.glob("*/metrics.csv.gz"))
)
def test_kept_results_of_format_1_are_read(results: str) -> None:
    run = read(RESULTS / results)
    assert run.config.out == "", "no path of the machine that made it"
    table = run.summary_text() if (run.metrics["phase"] == "final").any() else ""
    kept = (RESULTS / results / "summary.md").read_text().replace("| arm ", "| variant ")
    numbers = re.compile(r"[-+]?[\d,]*\.?\d+|not worse|worse|undecided")
    assert numbers.findall(table) == numbers.findall(kept)


def test_rows_that_a_resumed_run_wrote_again_replace_the_first(make_run: MakeRun) -> None:
    path = make_run()
    with (path / "metrics.csv").open("a") as file:
        file.write("100000,final,0,0.98,return,-7.5\n")
    metrics = Run(path).metrics
    rows = metrics.query("phase == 'final' and seed == 0 and variant == '0.98'")
    assert list(rows[rows.metric == "return"].value) == [-7.5]


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("metrics.csv", "variant", "bits", "column 'variant' is missing"),
        ("metrics.csv", ",20.0\n", ",much\n", "line 2: value 'much' is not a number"),
        ("metrics.csv", ",0.98,", ",0.97,", "variant '0.97' is unknown; variants.json has 0, "),
        ("metrics.csv", "5000,prefill", ",prefill", "line 2: step is empty"),
        ("config.yaml", "environment:", "environment: [", "expected ',' or ']'"),
        ("config.yaml", "seeds:", "seeds: 3\nseeds:", "seeds stands here a second time"),
        ("config.yaml", "seeds:", "more: !!bool x\nseeds:", "not YAML: 'x'"),
        ("variants.json", '"sparsity": 0.5', '"sparsity": "half"', "0.5: sparsity: found 'half'"),
        ("variants.json", "{", "[", "not JSON"),
        ("run.json", '"format": 2', '"format": "2"', "format: found '2'; allowed: 2"),
        ("run.json", '"begin": 0', '"begin": null', "damaged: phases"),
        ("run.json", '"phases"', '"phase"', "damaged: 'phases'"),
    ],
)
def test_malformed_files_give_one_line(
    make_run: MakeRun, file: str, old: str, new: str, message: str
) -> None:
    path = make_run()
    spoil(path / file, old, new)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(path)
    assert str(path / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["config.yaml", "metrics.csv", "run.json", "variants.json"])
@pytest.mark.parametrize("damage", ["missing", "a directory", "binary"])
def test_whatever_is_wrong_with_a_file_it_is_named_in_one_line(
    make_run: MakeRun, file: str, damage: str
) -> None:
    path = make_run()
    (path / file).unlink()
    if damage == "a directory":
        (path / file).mkdir()
    elif damage == "binary":
        (path / file).write_bytes(bytes(range(256)) * 8)
    with pytest.raises(ValueError, match=re.escape(str(path / file))) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_newer_format_is_refused(make_run: MakeRun) -> None:
    path = make_run()
    spoil(path / "run.json", '"format": 2', '"format": 3')
    with pytest.raises(ValueError, match=r"run\.json: written by a newer version .*\(format 3\)"):
        assert Run(path).metrics is not None


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a directory"):
        read(tmp_path / "nowhere")


def test_a_variant_of_another_method_needs_no_name_that_can_be_parsed(make_run: MakeRun) -> None:
    path = make_run(levels=(0.0, 0.9), modes=())
    records = json.loads((path / "variants.json").read_text())
    records["0.9"]["method"] = "rigl"
    (path / "variants.json").write_text(json.dumps(records))
    run = Run(path)
    row = run.summary().set_index("variant").loc["0.9"]
    assert row["method"] == "rigl"
    assert row["verdict"] != ""


def test_a_variant_of_which_every_seed_failed_is_finished(make_run: MakeRun) -> None:
    """It has no return, and a seed that failed on the way has none either."""
    failed = tuple((seed, 0.98, "float32") for seed in range(8))
    run = Run(make_run(failed=(*failed, (3, 0.9, "float32"))))
    assert set(run.finished) == set(run.variants)
    assert run.final_returns("0.98") == {}
    assert set(run.final_returns("0.9")) == set(range(8)) - {3}


def test_an_emptied_configuration_is_named_once(make_run: MakeRun) -> None:
    run = make_run()
    (run / "config.yaml").write_text("")
    with pytest.raises(ValueError) as error:
        assert Run(run).config
    assert str(error.value) == f"{run / 'config.yaml'}: found nothing; allowed: keys and values"
