from collections.abc import Callable
from pathlib import Path

from sparse_rl.report.provenance import provenance
from sparse_rl.runs.run import Run


def test_budget_counts_the_shared_dense_phase_once(make_run: Callable[..., Path]) -> None:
    # 8 seeds: 20,000 dense steps, then 80,000 and 20,000 in int8 for each of seven levels.
    budget = 8 * (20_000 + 7 * (80_000 + 20_000))
    for version in (1, 2):
        found = provenance(Run(make_run(f"run-{version}", format=version)))
        assert found["budget"].startswith(f"{budget:,} environment steps for 8 seeds")


def test_versions_are_read_line_by_line(make_run: Callable[..., Path]) -> None:
    path = make_run()
    (path / "versions.txt").write_text("command: python -m x --out a:b\ncommit: abc123\n")
    found = provenance(Run(path))
    assert found["command"] == "python -m x --out a:b"
    assert found["commit"] == "abc123"


def test_the_budget_names_what_members_had_behind_them(make_run: Callable[..., Path]) -> None:
    path = make_run()
    config = path / "config.yaml"
    start = "start:\n  run: runs/dense\n  step: 15000\n  experiment: abc\n"
    config.write_text(config.read_text() + start)
    assert ", after 15,000 of each in runs/dense, " in provenance(Run(path))["budget"]
