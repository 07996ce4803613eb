"""Studies that go on with dense members of another run: as if it had been one training."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import continued, from_mapping, load_config
from sparse_rl.report.page import write_report
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.study.description import describe
from sparse_rl.study.plan import plan
from sparse_rl.study.progress.events import Progress
from sparse_rl.study.training import train

VALUES: dict[str, Any] = {
    "environment": "probe/termination?actions=continuous",
    "seeds": 3,
    "network": {"hidden": [8]},
    "replay": {"capacity": 40, "batch_size": 4},
    "training": {"steps": 60, "learning_starts": 10},
    "sparsity": {"levels": [0], "interval": 6},
    "quantization": {"modes": []},
    "evaluation": {"every": 6, "episodes": 2, "final_episodes": 2},
    "checkpoint": {"every": 0, "keep_dense": True},
}
"""Sixty dense steps, whose members stay."""
TWICE: dict[str, Any] = {"training": {"steps": 120, "learning_starts": 10}}
PRUNED: dict[str, Any] = {
    "sparsity": {"levels": [0, 0.5], "interval": 6, "end": 0.6},
    "quantization": {"modes": ["int8"], "fraction": 0.4},
}
"""Of sixty steps more, and the same as shares of all hundred and twenty:"""
AT_ONCE: dict[str, Any] = {
    "sparsity": {"levels": [0, 0.5], "interval": 6, "begin": 0.5, "end": 0.8},
    "quantization": {"modes": ["int8"], "fraction": 0.2},
}


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(from_mapping(VALUES | {"out": str(tmp_path_factory.mktemp("dense") / "run")}))


def going_on(dense: Run, out: Path, **changes: Any) -> Config:
    changes.setdefault("sparsity", {"begin": 0})
    return load_config(str(dense.path), **{"training.steps": 120, "out": str(out), **changes})


@pytest.fixture(scope="module")
def longer(dense: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Sixty dense steps more, of all members."""
    return train(going_on(dense, tmp_path_factory.mktemp("longer") / "run"))


@pytest.fixture(scope="module")
def pruned(dense: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All members, pruned in sixty steps more."""
    return train(going_on(dense, tmp_path_factory.mktemp("pruned") / "run", **PRUNED))


def assert_same_policies(run: Run, other: Run) -> None:
    names = sorted(path.name for path in (other.path / layout.POLICIES).glob("*.safetensors"))
    assert sorted(path.name for path in (run.path / layout.POLICIES).glob("*.safetensors")) == names
    for name in names:
        mine = load_file(run.path / layout.POLICIES / name)
        theirs = load_file(other.path / layout.POLICIES / name)
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            np.testing.assert_array_equal(value, theirs[key], err_msg=f"{name} {key}")


def values_after(step: int, run: Run) -> NDArray:
    """What was measured later than `step`, in an order of its own."""
    rows = run.metrics[run.metrics["step"] > step]
    columns = ["step", "phase", "seed", "variant", "metric"]
    return rows.sort_values(columns)["value"].to_numpy()


def test_dense_training_goes_on_as_if_it_had_never_ended(tmp_path: Path, longer: Run) -> None:
    whole = train(from_mapping(VALUES | TWICE | {"out": str(tmp_path / "whole")}))
    assert_same_policies(longer, whole)
    mine, theirs = values_after(60, longer), values_after(60, whole)
    np.testing.assert_array_equal(mine, theirs)
    assert mine.size > 100


def test_members_fork_and_are_pruned_as_within_one_study(tmp_path: Path, dense: Run) -> None:
    more = PRUNED | {"sparsity": {**PRUNED["sparsity"], "begin": 0}}
    run = train(going_on(dense, tmp_path / "more", **more))
    whole = train(from_mapping(VALUES | TWICE | AT_ONCE | {"out": str(tmp_path / "whole")}))
    assert_same_policies(run, whole)
    assert run.config.digest() != whole.config.digest()
    assert set(run.summary()["variant"]) == {"0", "0.5", "0-int8", "0.5-int8"}
    assert "schedule" in write_report(run).read_text()


def test_fewer_seeds_go_on_too(tmp_path: Path, dense: Run, longer: Run) -> None:
    run = train(going_on(dense, tmp_path / "two", seeds=2))
    mine, theirs = (load_file(layout.policy_file(r.path, "0")) for r in (run, longer))
    for key, value in mine.items():
        # Other numbers of members are rounded otherwise.
        np.testing.assert_allclose(value, theirs[key][:2], atol=1e-5, err_msg=key)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_seeds_fork_into_what_they_were(
    tmp_path: Path, dense: Run, pruned: Run, seeds: int
) -> None:
    """One seed fills up two devices with copies of itself, not with the next one of the kept."""
    run = train(going_on(dense, tmp_path / "fewer", seeds=seeds, **PRUNED))
    for variant in run.variants:
        mine, theirs = (load_file(layout.policy_file(r.path, variant)) for r in (run, pruned))
        for key, value in mine.items():
            np.testing.assert_allclose(value, theirs[key][:seeds], atol=1e-5, err_msg=key)


def test_an_interrupted_study_resumes_without_the_other_run(
    tmp_path: Path, dense: Run, pruned: Run
) -> None:
    class Crash(Exception):
        pass

    class Stop(Progress):
        def measured(self, phase: Any, evaluation: Any) -> None:
            if evaluation.step == 90:
                raise Crash

    source = Run(shutil.copytree(dense.path, tmp_path / "source"))
    config = going_on(source, tmp_path / "run", **PRUNED)
    with pytest.raises(Crash):
        train(config, Stop())
    shutil.rmtree(source.path)
    begun = shutil.copytree(tmp_path / "run", tmp_path / "begun")
    run = train(continued(str(tmp_path / "run")))
    assert_same_policies(run, pruned)
    # Without a checkpoint it would have to begin again, cannot, and stays what it was.
    shutil.rmtree(begun / layout.CHECKPOINTS)
    before = (begun / layout.METRICS).read_bytes()
    with pytest.raises(ConfigError, match=r"start\.run: .* cannot be read"):
        train(continued(str(begun)))
    assert (begun / layout.METRICS).read_bytes() == before


def test_without_replay_it_is_filled_again_and_said_so(tmp_path: Path) -> None:
    values = VALUES | {"checkpoint": {"keep_dense": True, "replay": "none"}}
    kept = train(from_mapping(values | {"out": str(tmp_path / "dense")}))

    said: list[str] = []

    class Listener(Progress):
        def warn(self, text: str) -> None:
            said.append(text)

    train(going_on(kept, tmp_path / "more"), Listener())
    assert any("the last 40 steps of every member are missing" in text for text in said)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"training.steps": 60}, r"training.steps: found 60; allowed: more than 60, the step at"),
        (  # not that nothing is left for int8
            {"training.steps": 60, "quantization.modes": ["int8"]},
            r"training.steps: found 60; allowed: more than 60, the step at",
        ),
        ({"seeds": 4}, r"seeds: found 4; allowed to continue .*: at most 3"),
        ({"first_seed": 1}, r"first_seed: found 1; allowed to continue .*: 0"),
        (
            {"environment": "probe/discounting?actions=continuous"},
            r"environment: found .probe/discounting.*; allowed to continue .*: probe/term",
        ),
    ],
)
def test_what_the_members_are_not_is_refused(
    dense: Run, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        going_on(dense, Path("out"), **changes)


def test_methods_that_are_sparse_from_the_start_are_refused(dense: Run, tmp_path: Path) -> None:
    config = going_on(dense, tmp_path / "run", sparsity={"methods": ["static"], "levels": [0, 0.5]})
    with pytest.raises(ConfigError, match=r"sparsity.methods: found static, which is sparse from"):
        train(config)
    assert not (tmp_path / "run").exists()


def test_members_of_other_shapes_or_damaged_ones_are_one_line(dense: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"  # which can be used again
    with pytest.raises(ConfigError, match=r"start.run: .* does not hold .* with rows of shape"):
        train(going_on(dense, out, network={"hidden": [9]}))
    broken = Run(shutil.copytree(dense.path, tmp_path / "broken"))
    file = broken.path / layout.DENSE / "members-0.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=r"start.run: .*members-0.*; allowed: as training wrote"):
        train(going_on(broken, out))
    start = {"run": str(dense.path), "step": 54, "experiment": "x"}
    with pytest.raises(ConfigError, match=r"start.run: .* of experiment .* at step 60; allowed: x"):
        train(from_mapping(VALUES | TWICE | {"start": start, "out": str(out)}))
    assert train(going_on(dense, out)).finished


def test_a_run_that_kept_none_is_refused(tmp_path: Path, dense: Run) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(dense.path / layout.CONFIG, bare)
    with pytest.raises(ConfigError, match=r"kept no dense members; allowed: .*--checkpoint.keep_"):
        load_config(str(bare))


def test_the_plan_begins_where_the_members_ended(dense: Run, tmp_path: Path) -> None:
    config = going_on(dense, tmp_path, **PRUNED)
    assert [(p.name, p.begin, p.end, len(p.members)) for p in plan(config)] == [
        ("dense", 60, 60, 3),
        ("dense", 60, 72, 3),
        ("prune", 72, 96, 6),
        ("finetune", 96, 120, 6),
        ("quantize", 120, 144, 6),
    ]
    lines = describe(config).splitlines()
    assert lines[1] == f"continues from the dense members of {dense.path}, step 60"
    assert [line.split()[:3] for line in lines[4:6]] == [
        ["dense", "60", "72"],
        ["prune", "72", "96"],
    ]


def test_members_with_a_second_set_of_weights_are_not_kept(tmp_path: Path) -> None:
    method = {"sparsity": {"levels": [0, 0.5], "methods": ["ste"], "ste": {"stop": 0.5}}}
    with pytest.raises(ConfigError, match=r"checkpoint\.keep_dense: found true .* ste, .*gradual"):
        describe(from_mapping(VALUES | method | {"out": str(tmp_path / "run")}))
    both = {"sparsity": method["sparsity"] | {"methods": ["gradual", "ste"], "interval": 6}}
    describe(from_mapping(VALUES | both | {"out": str(tmp_path / "run")}))


def test_a_dry_run_says_that_the_kept_members_do_not_fit(tmp_path: Path, dense: Run) -> None:
    with pytest.raises(ConfigError, match=r"start\.run: .*; allowed: members of the same networks"):
        describe(going_on(dense, tmp_path / "run", network={"hidden": [9]}))
