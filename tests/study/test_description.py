"""A dry run: what would be done, counted here by hand, and nothing left on the disk."""

from pathlib import Path

import pytest

from sparse_rl.config import command_line
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.study import training
from sparse_rl.study.description import describe

CONFIG = {
    "environment": "probe/termination?actions=continuous",
    "seeds": 2,
    "network": {"hidden": [8]},
    "replay": {"capacity": 40, "batch_size": 4},
    "training": {"steps": 100, "learning_starts": 10},
    "sparsity": {"levels": [0, 0.5, 0.9], "begin": 0.2, "end": 0.8, "interval": 10},
    "quantization": {"modes": ["int8"], "fraction": 0.5},
}


def test_phases_members_and_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = describe(from_mapping(CONFIG))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["prefill"] == ["0", "10", "2", "20"]
    assert rows["dense"] == ["10", "20", "2", "20"]
    assert rows["prune"] == ["20", "80", "6", "360"]
    assert rows["finetune"] == ["80", "100", "6", "120"]
    assert rows["quantize"] == ["int8", "100", "150", "6", "300"]
    assert rows["in"] == ["all", "820"]
    assert "memory: networks" in text and "6 variants: 0, 0.5, 0.9, 0-int8" in text
    assert not list(tmp_path.iterdir())


def test_the_word_chooses_it_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Config] = []

    def refuse(_: Config) -> None:
        raise AssertionError("trained")

    for words in (["--dry-run", "sac_pendulum"], ["--seeds", "3", "--dry-run"]):
        command_line.run(refuse, words, dry=seen.append)
    assert [config.seeds for config in seen] == [10, 3]


def test_what_cannot_start_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: Config) -> None:
        print(describe(config))

    with pytest.raises(SystemExit) as end:
        command_line.run(training.train, ["--dry-run", "--environment", "brax/nothing"], dry=run)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: environment: ")


def test_a_directory_that_is_taken_is_said_before_and_not_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ConfigError, match=r"out: .* holds checkpoints, which a run would replace"):
        describe(from_mapping(CONFIG | {"out": str(tmp_path)}))


def test_a_directory_that_cannot_be_made_is_said_before_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(
            ConfigError, match=r"out: cannot write .*: is a file; needed is a folder"
        ):
            describe(from_mapping(CONFIG | {"out": str(out)}))


def test_a_run_that_is_finished_would_not_go_on(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("all of it")
    resumed = CONFIG | {"out": str(tmp_path), "resume": str(tmp_path)}
    text = describe(from_mapping(resumed))
    assert text == f"{tmp_path} is already finished; nothing to resume"


def test_who_goes_on_has_the_dense_members_of_another_run_already(tmp_path: Path) -> None:
    start = {"run": str(tmp_path / "gone"), "step": 50, "experiment": "0123456789ab"}
    own = CONFIG | {"start": start}
    with pytest.raises(ConfigError, match=r"start\.run: "):
        describe(from_mapping(own))
    text = describe(from_mapping(own | {"out": str(tmp_path), "resume": str(tmp_path)}))
    assert f"it would continue {tmp_path}" in text


def test_one_seed_and_one_variant_are_one() -> None:
    one = {
        "seeds": 1,
        "sparsity": {"levels": [0], "interval": 10},
        "quantization": {"modes": []},
    }
    assert "1 seed, 1 variant: 0\n" in describe(from_mapping(CONFIG | one))
