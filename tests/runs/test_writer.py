"""Who may write a run directory, and what its record says of it."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparse_rl.architecture import Dense, Network, Observation, Squash
from sparse_rl.runs.metrics import Row
from sparse_rl.runs.record import Span
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.runs.writer import RunWriter, free

NETWORK = Network(Observation((3,)), (), (Dense("mean", 1),), Squash((-2.0,), (2.0,)))
ROOT = Path(__file__).parents[2]
RIGL = Variant("rigl", 0.9)
SPANS = [Span("dense", 0, 20, 2), Span("prune", 20, 80, 4, "rigl")]


def begun(path: Path) -> RunWriter:
    writer = RunWriter(path)
    writer.claim()
    writer.begin("seeds: 2\n", "command: x\n", NETWORK, SPANS, [DENSE, RIGL])
    return writer


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    writer = begun(tmp_path)
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    writer.save_policies(RIGL.name, {"mean/kernel": kernel}, {"mean/kernel": kernel > 2})
    writer.append([Row(80, "final", seed, RIGL.name, "return", 0.1 + seed) for seed in (0, 1)])
    writer.close()
    run = Run(tmp_path)
    assert run.variants == {"0": DENSE, RIGL.name: RIGL}
    assert list(run.record.phases) == SPANS
    assert run.final_returns(RIGL.name) == {0: 0.1, 1: 1.1}
    np.testing.assert_array_equal(run.trained(RIGL.name, 0)["mean/kernel"], [[0], [0], [0]])
    np.testing.assert_array_equal(run.trained(RIGL.name, 1)["mean/kernel"], [[3], [4], [5]])
    assert run.network() == NETWORK
    file = tmp_path / "policies" / f"{RIGL.name}.safetensors"
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["policies"] == {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    begun(tmp_path).close()
    program = (
        "import sys, pathlib, time; from sparse_rl.runs.writer import RunWriter\n"
        "from tests.runs.test_writer import DENSE, RIGL, SPANS\n"
        f"writer = RunWriter(pathlib.Path({str(tmp_path)!r}))\n"
        "writer.reopen('again', SPANS, [DENSE, RIGL])\n"
        "print('has it', flush=True)\n"
        "time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "has it\n"
        writer = RunWriter(tmp_path)
        with pytest.raises(
            ValueError, match=r"another process is writing .*; allowed: one at a time"
        ):
            writer.reopen("third", SPANS, [DENSE, RIGL])
        other.send_signal(signal.SIGKILL)
        other.wait()
        writer.reopen("third", SPANS, [DENSE, RIGL])
        assert (tmp_path / "versions.txt").read_text() == "command: x\nagain\nthird\n"
        writer.close()
    finally:
        other.kill()


def test_a_directory_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    begun(tmp_path).close()
    with pytest.raises(ValueError, match=f"already holds a run; allowed: .* --resume {tmp_path}"):
        RunWriter(tmp_path).claim()


def test_files_of_somebody_else_are_neither_replaced_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine.pt").touch()
    (tmp_path / "config.yaml").write_text("mine: 1")
    found = r"holds config\.yaml, checkpoints, which a run would replace; allowed: a new"
    with pytest.raises(ValueError, match=found):
        RunWriter(tmp_path).claim()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "config.yaml"]


def test_a_log_beside_the_run_to_be_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("warning: ")
    begun(tmp_path).close()
    assert (tmp_path / "log.txt").read_text() == "warning: "


def test_a_run_of_format_1_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,phase,seed,sparsity,quantization,metric,value\n")
    with pytest.raises(ValueError, match="begun by an older version"):
        RunWriter(tmp_path).reopen("again", SPANS, [DENSE, RIGL])


def refused(path: Path, reason: str, spans: list[Span], variants: list[Variant]) -> None:
    """Going on with the run is refused for this reason, and nothing of it is changed."""

    def files() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in path.iterdir()}

    before, writer = files(), RunWriter(path)
    with pytest.raises(ValueError, match=reason):
        writer.reopen("again", spans, variants)
    writer.close()
    assert files() == before


def test_a_run_goes_on_with_the_phases_and_variants_that_it_began_with(tmp_path: Path) -> None:
    begun(tmp_path).close()
    reason = r"config\.yaml now describes other phases or variants than run\.json and variants"
    refused(tmp_path, reason, SPANS[:1], [DENSE, RIGL])
    refused(tmp_path, reason, SPANS, [DENSE, Variant("rigl", 0.8)])


def test_a_run_that_another_process_finished_meanwhile_does_not_go_on(tmp_path: Path) -> None:
    writer = begun(tmp_path)
    writer.write_text("summary.md", "all of it")
    writer.close()
    refused(tmp_path, "has been finished meanwhile", SPANS, [DENSE, RIGL])


def test_a_run_without_its_metrics_does_not_begin_again(tmp_path: Path) -> None:
    begun(tmp_path).close()
    (tmp_path / "metrics.csv").unlink()
    refused(tmp_path, r"metrics\.csv: missing; allowed: as training wrote it", SPANS, [DENSE, RIGL])


def test_what_a_killed_process_has_half_written_goes(tmp_path: Path) -> None:
    begun(tmp_path).close()
    (tmp_path / "policies").mkdir()
    mine = (tmp_path / ".notes.part", tmp_path / "policies" / ".0.9.0123.part")
    names = ("run.json", "policies/0.9.safetensors")
    left = [
        file.with_name(f".{file.name}.{'0123456789abcdef'}.part")
        for file in (tmp_path / name for name in names)
    ]
    for file in (*mine, *left):
        file.touch()
    writer = RunWriter(tmp_path)
    writer.reopen("again", SPANS, [DENSE, RIGL])
    writer.close()
    assert all(file.exists() for file in mine)
    assert not any(file.exists() for file in left)


def test_a_line_is_added_to_versions_whatever_stands_there(tmp_path: Path) -> None:
    begun(tmp_path).close()
    (tmp_path / "versions.txt").write_bytes(b"machine: \xff\n")
    writer = RunWriter(tmp_path)
    writer.reopen("again", SPANS, [DENSE, RIGL])
    writer.close()
    assert (tmp_path / "versions.txt").read_bytes() == b"machine: \xff\nagain\n"


def test_two_variants_of_one_name_are_refused(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    writer.claim()
    with pytest.raises(ValueError, match=r"variant 0\.9: two of that name"):
        twice = [Variant(sparsity=0.9), Variant(sparsity=0.9000000001)]
        writer.begin("", "", NETWORK, [], twice)
    writer.close()


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_beginning_that_fails_leaves_the_directory_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    (tmp_path / "mine.txt").write_text("stays")
    write = RunWriter.write_text

    def fails_at_the_last(self: RunWriter, name: str, text: str) -> None:
        if name == "metrics.csv":
            raise stop
        write(self, name, text)

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "write_text", fails_at_the_last)
        writer = RunWriter(tmp_path)
        writer.claim()
        with pytest.raises(type(stop)):
            writer.begin("seeds: 2\n", "command: x\n", NETWORK, SPANS, [DENSE, RIGL])
        writer.close()
    free(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "stays"
    begun(tmp_path).close()
