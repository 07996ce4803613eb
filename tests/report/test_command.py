import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_rl.report.__main__ import chosen, main
from sparse_rl.runs.run import Run
from sparse_rl.summary.final_table import final_table


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparse_rl.report", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_prints_the_table_and_says_where_the_page_is(finished_run: Path, tmp_path: Path) -> None:
    done = report(str(finished_run), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(str(tmp_path / "out" / "index.html"))
    assert (tmp_path / "out" / "index.html").is_file()
    row = next(line for line in done.stdout.splitlines() if line.startswith("0.98 "))
    table = final_table(Run(finished_run).metrics).set_index("variant")
    assert f"{table.loc['0.98', 'return_iqm']:,.0f}" in row.split()


def test_errors_are_one_line_and_status_2(tmp_path: Path) -> None:
    done = report(str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"error: {tmp_path / 'nowhere'}: not a directory; needed is a run directory"
    )
    assert done.stdout == ""


def test_a_file_in_the_pages_place_is_named(finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = report(str(finished_run), "--out", str(tmp_path / "file"))
    assert done.returncode == 2
    assert done.stderr.strip() == f"error: {tmp_path / 'file'}: is a file; needed is a folder"
    assert done.stdout == ""


def test_of_several_runs_each_table_says_whose_it_is(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_run, other := tmp_path / "other [1]")
    (tmp_path / "one").symlink_to(finished_run)
    main((tmp_path / "one", other), tmp_path / "out")
    said = "".join(capsys.readouterr().out.split())
    for path in (tmp_path / "one", other):
        assert f"{path}: mujoco/Hopper-v4".replace(" ", "") in said


def test_of_several_paths_those_that_are_no_runs_are_named_and_left_out(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("no run")
    (tmp_path / "empty").mkdir()
    paths = (finished_run, tmp_path / "notes.txt", tmp_path / "empty")
    assert chosen(paths) == (finished_run,)
    assert [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()] == 2 * [
        "left out: no run directory, it has no config.yaml"
    ]
    assert chosen((tmp_path / "empty",)) == (tmp_path / "empty",), "reading it says what is wrong"
    with pytest.raises(ValueError, match=r"^RUN: found 2, none of them a run directory"):
        chosen(paths[1:])
