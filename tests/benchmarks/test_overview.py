"""The overview of all studies: what results/ gives, found by itself, and nothing else."""

import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy import stats

from benchmarks import keep, overview, overview_picture, results_page, studies, zoo_page
from benchmarks.studies import FLOAT32, INT8
from sparse_rl.config import command_line
from tests.made_up_run import DENSE, LOSS, RANDOM, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/ of a pruned study, its repeat inside it, and a study of dense policies alone."""
    root = tmp_path_factory.mktemp("kept")
    hopper = write_run(root / "runs" / "hopper", levels=(0.0, 0.9, 0.99), with_costs=False)
    dense = write_run(
        root / "runs" / "dense",
        environment="brax/ant?backend=spring",
        levels=(0.0,),
        modes=(),
        with_costs=False,
    )
    for run in (hopper, dense):
        (run / "summary.md").write_text("")
        (run / "versions.txt").write_text("command: python -m sparse_rl.train x\njax: 0.10.2\n")
    keep.keep(hopper, root / "results" / "hopper")
    keep.keep(hopper, root / "results" / "hopper" / "seeds_10")
    keep.keep(dense, root / "results" / "ant")
    return root / "results"


@pytest.fixture(scope="module")
def committed() -> list[studies.Study]:
    return studies.read_all()


def test_the_committed_pages_are_what_the_results_give(committed: list[studies.Study]) -> None:
    say = "run python -m benchmarks.overview"
    assert overview.PAGE.read_text() == results_page.page(committed), say
    assert overview.ZOO.read_text() == zoo_page.page(committed), say
    readme = overview.README.read_text()
    assert readme == overview.with_table(readme, overview.readme_table(committed)), say
    for file in overview.PICTURES:
        assert overview.digest_of(file) == overview.digest(studies.drawn(committed)), say


def test_studies_and_repeats_are_found_by_themselves(folder: Path) -> None:
    found = studies.read_all(folder)
    assert [study.run.name for study in found] == ["hopper", "ant"]
    assert [one.run.name for one in found[0].repeats] == ["seeds_10"]
    assert [study.run.name for study in studies.shown(found)] == ["hopper"]
    assert {study.run.path for study in studies.read_all()} == {
        Path(file).parent for file in studies.RESULTS.glob("*/metrics.csv.gz")
    }


def test_normalized_returns(folder: Path) -> None:
    """What was put in comes out: dense is 1, random 0, a level its share, within its noise."""
    (study,) = studies.shown(studies.read_all(folder))
    assert study.random == RANDOM
    float32, int8 = study.normalized(FLOAT32), study.normalized(INT8)
    assert float32["value"].iloc[0] == 1.0
    for points, extra in ((float32, 0), (int8, 35)):
        expected = [
            (DENSE - LOSS[level] - extra - RANDOM) / (DENSE - RANDOM) for level in (0.9, 0.99)
        ]
        # Noise of 50 in one seed, of 8 seeds: three standard errors of a difference.
        np.testing.assert_allclose(points["value"].iloc[1:], expected, atol=3 * 50 / 2580)
        assert (points["low"] < points["value"]).all() and (points["value"] < points["high"]).all()


def by_methods(run: Path, methods: list[str]) -> studies.Study:
    """The study in this folder, as if its arms had been pruned by the first of these."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["sparsity"]["methods"] = methods
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    records = json.loads((run / "variants.json").read_text())
    for record in records.values():  # what is not pruned has no method of its own
        record["method"] = methods[0] if record["sparsity"] > 0 else "gradual"
    (run / "variants.json").write_text(json.dumps(records))
    return studies.read(run)


def test_a_study_of_another_method_is_shown_with_it(folder: Path, tmp_path: Path) -> None:
    (gradual,) = studies.shown(studies.read_all(folder))
    shutil.copytree(gradual.run.path, tmp_path / "rigl")
    study = by_methods(tmp_path / "rigl", ["rigl"])
    assert studies.shown([study]) == [study]
    for arithmetic in (FLOAT32, INT8):
        pd.testing.assert_frame_equal(study.normalized(arithmetic), gradual.normalized(arithmetic))
    (row,) = results_page.short_table([study]).splitlines()[2:]
    assert ", rigl](" in row and ("rigl, float32:" in row or "rigl, int8:" in row)
    assert overview_picture.heading(study) == overview_picture.heading(gradual) + ", rigl"


def test_a_network_that_was_asked_for_is_in_the_title(folder: Path, tmp_path: Path) -> None:
    (study,) = studies.shown(studies.read_all(folder))
    wide = Path(shutil.copytree(study.run.path, tmp_path / "wide"))
    assert studies.read(wide).title == study.title
    (wide / "versions.txt").write_text("command: python -m sparse_rl.train x --network.hidden 9\n")
    units = "-".join(map(str, study.run.config.network.hidden))
    assert studies.read(wide).title == f"{study.title}, {units} units"
    titles = [one.title for one in studies.read_all()]
    assert len(set(titles)) == len(titles)


def test_methods_and_critics_that_are_compared_have_the_page_only(
    folder: Path, tmp_path: Path
) -> None:
    (gradual,) = studies.shown(studies.read_all(folder))
    shutil.copytree(gradual.run.path, tmp_path / "both")
    assert not studies.shown([by_methods(tmp_path / "both", ["gradual", "rigl"])])
    critics = Path(shutil.copytree(gradual.run.path, tmp_path / "critics"))
    config = yaml.safe_load((critics / "config.yaml").read_text())
    config["sparsity"]["critic_levels"] = [0.0, 0.8]
    (critics / "config.yaml").write_text(yaml.safe_dump(config))
    study = studies.read(critics)
    assert study.title.endswith(", sparse critics") and not studies.shown([study])


def test_a_study_whose_numbers_would_mislead_has_the_page_only_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_page, "ROOT", tmp_path)
    shutil.copytree(folder, tmp_path / "results")
    assert [study.task for study in studies.shown(studies.read_all(tmp_path / "results"))]
    readme = tmp_path / "results" / "hopper" / "README.md"
    readme.write_text("# Hopper\n\nCaution: it stands still.\n")
    found = studies.read_all(tmp_path / "results")
    assert not studies.shown(found)
    assert results_page.page(found).count("**Caution**: it stands still.\n") == 1


def test_what_goes_on_with_another_run_has_the_page_only(folder: Path, tmp_path: Path) -> None:
    (study,) = studies.shown(studies.read_all(folder))
    later = Path(shutil.copytree(study.run.path, tmp_path / "later"))
    assert studies.shown([studies.read(later)])
    config = yaml.safe_load((later / "config.yaml").read_text())
    config["start"] = {"run": "runs/dense", "step": 30, "experiment": ""}
    (later / "config.yaml").write_text(yaml.safe_dump(config))
    assert not studies.shown([studies.read(later)])


def test_a_budget_that_was_asked_for_is_in_the_title(folder: Path, tmp_path: Path) -> None:
    (study,) = studies.shown(studies.read_all(folder))
    short = Path(shutil.copytree(study.run.path, tmp_path / "short"))
    (short / "versions.txt").write_text("command: python -m sparse_rl.train x --training.steps 9\n")
    steps = study.run.config.training.steps
    assert studies.read(short).title == f"{study.title}, {steps:,} steps"


def test_what_was_pruned_furthest_without_loss_is_first(tmp_path: Path) -> None:
    for name, levels in (("a", (0.0, 0.9)), ("b", (0.0, 0.9, 0.99)), ("c", (0.0,))):
        run = write_run(tmp_path / "runs" / name, levels=levels, modes=(), with_costs=False)
        (run / "summary.md").write_text("")
        keep.keep(run, tmp_path / "results" / name)
    found = studies.read_all(tmp_path / "results")
    assert [study.sparsest for study in found] == sorted(
        (study.sparsest for study in found), reverse=True
    )
    assert found[-1].run.name == "c" and found[-1].sparsest == 0


def test_all_seeds_together_are_those_of_the_study_and_its_repeats(
    folder: Path, committed: list[studies.Study]
) -> None:
    (same_seeds,) = studies.shown(studies.read_all(folder))
    assert same_seeds.of_all_seeds is None
    (study,) = [one for one in committed if one.run.name == "pendulum"]
    together = study.of_all_seeds
    assert together is not None
    row = together.set_index("variant").loc["0.98-int8"]
    differences = [
        value - run.final_returns("0")[seed]
        for run in (study.run, *(repeat.run for repeat in study.repeats))
        for seed, value in run.final_returns("0.98-int8").items()
    ]
    assert row["seeds"] == len(differences) == 30
    np.testing.assert_allclose(row["difference"], np.mean(differences))
    half = stats.t.ppf(0.975, 29) * np.std(differences, ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(row["difference_high"] - row["difference"], half)


def test_high_sparsities_stand_apart_as_on_a_logarithmic_axis() -> None:
    at = overview_picture.place(np.array([0, 0.5, 0.9, 0.95, 0.98, 0.99]))
    assert (np.diff(at) > 0).all()
    width = at[-1] - at[0]
    assert (np.diff(at)[2:] > 0.1 * width).all()
    # Twice the factor tends to log 2, as it does everywhere on a logarithmic axis.
    assert 0.7 * np.log(2) < at[3] - at[2] < at[5] - at[4] < np.log(2)
    assert at[5] - at[4] > 0.9 * np.log(2)


def test_labels_that_would_meet_are_left_out() -> None:
    labels = overview_picture.tick_labels([0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995])
    assert labels == ["dense", "", "", "80", "90", "95", "98", "99", "99.5"]


def test_the_picture_says_what_it_is_of(folder: Path, tmp_path: Path) -> None:
    shown = studies.shown(studies.read_all(folder))
    file = tmp_path / "picture.png"
    file.write_bytes(overview.picture(shown * 5, overview_picture.DARK))
    assert overview.digest_of(file) == overview.digest(shown * 5) != overview.digest(shown)
    with Image.open(file) as image:
        assert image.width == round(200 * overview_picture.WIDTH)
        assert image.convert("RGBA").getpixel((2, 2))[3] == 0  # dark pages differ in their dark


def test_the_page_of_a_study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_page, "ROOT", folder.parent)
    page = results_page.page(studies.read_all(folder))
    assert "## Hopper-v4, SAC, uniform" in page and "## ant (brax), SAC\n" in page
    assert page.count("```console\npython -m sparse_rl.train x\n```") == 3
    assert "| variant | seeds 0 to 7 | seeds 0 to 7 |" in page


def test_the_command_that_is_shown_makes_the_study_today(committed: list[studies.Study]) -> None:
    """Also where a default has changed since it was typed."""
    for study in [one for top in committed for one in (top, *top.repeats)]:
        *_, last = study.commands
        if study.goes_on or "sparse_rl.join" in last:
            assert len(study.commands) > 1, last  # what comes before it is shown, too
            continue
        _, _, program, *words = shlex.split(last)
        assert program == "sparse_rl.train"
        assert command_line.parse(words).experiment() == study.run.config.experiment(), last


def test_a_studys_readme_says_what_makes_it_today(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "hopper", tmp_path / "hopper"))
    typed = "python -m sparse_rl.train x --out runs/hopper"
    (run / "versions.txt").write_text(f"command: {typed}\n")
    assert studies.read(run).commands == [typed]
    (run / "README.md").write_text("    python -m sparse_rl.train x --out runs/other\n")
    assert studies.read(run).commands == [typed]
    (run / "README.md").write_text(
        "# Hopper\n\n    python -m sparse_rl.train x --out runs/dense\n"
        "    python -m sparse_rl.train x --seeds 3 \\\n        --out runs/hopper\n"
        "    python -m sparse_rl.train y --out runs/after\n"
    )
    assert studies.read(run).commands == [
        "python -m sparse_rl.train x --out runs/dense",
        "python -m sparse_rl.train x --seeds 3 --out runs/hopper",
    ]


def test_the_short_table(folder: Path) -> None:
    (study,) = studies.shown(studies.read_all(folder))
    (row,) = results_page.short_table([study]).splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    dense = study.dense["return_iqm"]
    assert cells[0] == "[Hopper-v4, SAC, uniform](#hopper-v4-sac-uniform); 8 seeds"
    assert cells[1] == f"{dense:,.0f}"
    ninety = study.of_arithmetic(INT8).set_index("target_sparsity").loc[0.9]
    assert cells[2] == f"{ninety['return_iqm']:,.0f} ({ninety['verdict']})"


def test_the_readme_has_the_studies_of_many_seeds(committed: list[studies.Study]) -> None:
    rows = overview.readme_table(committed).splitlines()[2:]
    assert 5 < len(rows) < len(studies.shown(committed))
    assert all("; 10 seeds" in row and "(docs/results.md#" in row for row in rows)


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^README\.md: found no marks"):
        overview.with_table("nothing", "| a |")


def test_kept_results_are_the_same_bytes_each_time(folder: Path, tmp_path: Path) -> None:
    run = folder.parent / "runs" / "hopper"
    os.utime(run / "metrics.csv", (1, 1))
    keep.keep(run, tmp_path / "again")
    for name in (*keep.SMALL, "metrics.csv.gz"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / "hopper" / name).read_bytes()


def test_an_experiment_for_two_cores_is_told_from_the_larger_one(
    committed: list[studies.Study],
) -> None:
    titles = {study.run.path.name: study.title for study in committed}
    assert titles["hopper_v4_ppo"] + ", laptop" == titles["hopper_v4_ppo_laptop"]
