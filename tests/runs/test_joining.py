"""Runs that differ in their seeds become one: its numbers are theirs, and nothing else fits."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparse_rl import join as command
from sparse_rl.config import program
from sparse_rl.config.experiment import to_yaml
from sparse_rl.config.sections import StartConfig
from sparse_rl.runs.joining import join
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from tests import run_by_hand

PRUNED = Variant(sparsity=0.5)
RETURNS: dict[Variant, tuple[float, ...]] = {
    DENSE: (-9.0, -8.0, -7.0, -6.5, -9.5),
    PRUNED: (-10.0, -8.5, -7.5, -6.0, -9.0),
}


def part(path: Path, first: int, last: int, **changes: object) -> Path:
    """A run of the seeds from `first` until before `last`."""
    run_by_hand.write(path, {variant: all_[first:last] for variant, all_ in RETURNS.items()})
    metrics = pd.read_csv(path / "metrics.csv", dtype={"variant": str})
    metrics["seed"] += first
    metrics.to_csv(path / "metrics.csv", index=False)
    config = dataclasses.replace(Run(path).config, first_seed=first, **changes)  # type: ignore[arg-type]
    (path / "config.yaml").write_text(to_yaml(config))
    (path / "versions.txt").write_text(f"jax of {path.name}\n")
    return path


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    return part(tmp_path / "a", 0, 3, devices=1), part(tmp_path / "b", 3, 5, out="elsewhere")


def test_the_joined_run_has_every_number_and_policy_of_its_parts(
    parts: tuple[Path, Path], tmp_path: Path
) -> None:
    joined = join(parts[::-1], tmp_path / "ab")  # in any order
    assert joined.config.seed_numbers == range(5)
    assert {name: tuple(joined.final_returns(name).values()) for name in joined.variants} == {
        variant.name: values for variant, values in RETURNS.items()
    }
    for path in parts:
        run = Run(path)
        for seed in run.config.seed_numbers:
            for name in run.variants:
                own, there = run.trained(name, seed), joined.trained(name, seed)
                assert own.keys() == there.keys()
                for array in own:
                    np.testing.assert_array_equal(own[array], there[array])
    # The final table is that of one run with all seeds.
    whole = part(tmp_path / "whole", 0, 5)
    pd.testing.assert_frame_equal(joined.summary(), Run(whole).summary())
    assert joined.versions == (
        f"joined: {parts[0]}\njax of a\njoined: {parts[1]}\njax of b\n"
        f"command: python -m sparse_rl.join {parts[0]} {parts[1]} --out {tmp_path / 'ab'}\n"
    )
    assert joined.config.out == ""
    assert (tmp_path / "ab" / "summary.md").read_text().startswith("# gymnax/Pendulum-v1, SAC, 5")


def test_parts_that_went_on_with_dense_members_of_their_own_seeds_are_joined(
    tmp_path: Path,
) -> None:
    first, second = StartConfig("dense_a", 500, "abc"), StartConfig("dense_b", 500, "def")
    parts = part(tmp_path / "a", 0, 3, start=first), part(tmp_path / "b", 3, 5, start=second)
    assert join(parts, tmp_path / "ab").config.seed_numbers == range(5)
    other = part(tmp_path / "c", 3, 5, start=dataclasses.replace(second, step=400))
    with pytest.raises(ValueError, match=r"start.step: found 400; allowed: 500, as in"):
        join((parts[0], other), tmp_path / "ac")


def test_a_joined_run_says_what_made_it(tmp_path: Path) -> None:
    parts = part(tmp_path / "a", 0, 3), part(tmp_path / "b", 3, 5)
    for path in parts:
        (path / "versions.txt").write_text(f"command: train {path.name}\njax: 1\nresumed: train\n")
        assert Run(path).commands == [f"train {path.name}"]
    out = tmp_path / "ab"
    assert join(parts, out).commands == [
        "train a",
        "train b",
        f"python -m sparse_rl.join {parts[0]} {parts[1]} --out {out}",
    ]


def test_results_that_were_kept_without_policies_are_joined_too(
    parts: tuple[Path, Path], tmp_path: Path
) -> None:
    for file in (parts[0] / "policies").iterdir():
        file.unlink()
    joined = join(parts, tmp_path / "ab")
    assert len(joined.final_returns("0.5")) == 5
    assert not any(joined.has_policies(name) for name in joined.variants)


def test_the_repositorys_pendulum_is_joined_with_its_other_seeds(tmp_path: Path) -> None:
    """As `docs/commands/join.md` has it: what `benchmarks.keep` keeps is enough."""
    results = Path(__file__).parents[2] / "results" / "pendulum"
    joined = join([results, results / "seeds_10"], tmp_path / "both")
    assert joined.config.seed_numbers == range(20)
    for variant in joined.variants:
        parts = Run(results).final_returns(variant) | Run(results / "seeds_10").final_returns(
            variant
        )
        assert joined.final_returns(variant) == parts


def other_level(path: Path) -> None:
    config = Run(path).config
    sparsity = dataclasses.replace(config.sparsity, interval=17)
    (path / "config.yaml").write_text(to_yaml(dataclasses.replace(config, sparsity=sparsity)))


def unfinished(path: Path) -> None:
    metrics = pd.read_csv(path / "metrics.csv", dtype={"variant": str})
    metrics[metrics.variant != "0.5"].to_csv(path / "metrics.csv", index=False)


def other_seed(path: Path) -> None:
    config = dataclasses.replace(Run(path).config, first_seed=4)
    (path / "config.yaml").write_text(to_yaml(config))


def other_groups(path: Path) -> None:
    config = Run(path).config
    groups = dataclasses.replace(config.population, split=2)
    (path / "config.yaml").write_text(to_yaml(dataclasses.replace(config, population=groups)))


def other_phases(path: Path) -> None:
    file = path / "run.json"
    values = json.loads(file.read_text())
    values["phases"].append({"name": "dense", "begin": 0, "end": 10, "members": 2, "method": ""})
    file.write_text(json.dumps(values))


def damaged(path: Path) -> None:
    (path / "policies" / "0.5.safetensors").write_bytes(b"no")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (other_level, "b: sparsity.interval: found 17; allowed: "),
        (other_groups, "b: population.split: found 2; allowed: 1, as in "),
        (other_phases, "b: run.json has other phases than "),
        (unfinished, "b: not finished, 1 of 2 variants are; allowed: finished runs"),
        (other_seed, "b: first_seed: found 4; allowed: 3, which follows the seeds of "),
        (damaged, "0.5.safetensors: damaged: SHA-256"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    change: Callable[[Path], None], line: str, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    change(parts[1])
    with pytest.raises(ValueError) as raised:
        join(parts, tmp_path / "ab")
    assert line in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "ab").exists()


def test_the_command_shows_the_table_and_says_where_the_run_is(
    parts: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*map(str, parts), "--out", str(tmp_path / "ab")]
    program.call(command.main, words)
    printed = capsys.readouterr().out
    assert f"seeds 0 to 4 of 2 runs: {tmp_path / 'ab'}" in printed
    assert "undecided" in printed
    with pytest.raises(ValueError, match=r"already holds a run; allowed: a new directory$"):
        program.call(command.main, words)
    with pytest.raises(ValueError, match="RUN: found 1; allowed: two or more"):
        program.call(command.main, [words[0], *words[2:]])
    with pytest.raises(ValueError, match="out: none given"):
        program.call(command.main, words[:2])
