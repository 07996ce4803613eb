from collections.abc import Callable
from pathlib import Path

from sparse_rl.report.provenance import environment_steps, provenance
from sparse_rl.report.run_directory import read_run


def test_budget_counts_the_shared_dense_phase_once() -> None:
    # The paper's panel for ten seeds: 10 (0.2 + 8 x 0.8 + 8 x 0.2) million steps.
    config = {
        "seeds": 10,
        "training": {"steps": 1_000_000},
        "sparsity": {"begin": 0.2, "levels": [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99]},
        "quantization": {"modes": ["int8"], "fraction": 0.2},
    }
    assert environment_steps(config) == 82_000_000


def test_versions_are_read_line_by_line(make_run: Callable[..., Path]) -> None:
    path = make_run()
    (path / "versions.txt").write_text("command: python -m x --out a:b\ncommit: abc123\n")
    found = provenance(read_run(path))
    assert found["command"] == "python -m x --out a:b"
    assert found["commit"] == "abc123"
