import subprocess
import sys
from pathlib import Path

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
