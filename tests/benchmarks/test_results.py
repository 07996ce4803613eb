"""The page of results: what the files give, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.sections import SECTIONS

MACHINE = {
    "cpu": "Test",
    "cores": 2,
    "load_average": 0.5,
    "devices": ["cpu", "cpu"],
    "jax": "0.10.2",
    "python": "3.11.7",
    "date": "2026-11-21",
}


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"title": "a title", "machine": MACHINE, "rows": rows}))


def test_the_committed_page_is_what_the_files_give() -> None:
    made = results.page(results.RESULTS)
    assert results.PAGE.read_text() == made, "run python -m benchmarks.results"


def test_a_benchmark_without_a_file_has_its_command_and_no_table(tmp_path: Path) -> None:
    page = results.page(tmp_path)
    assert page.count("Not measured yet.") == len(SECTIONS)
    assert "|" not in page
    for section in SECTIONS:
        assert f"\n    {section.command}\n" in page


def test_every_command_is_a_benchmark_of_ours() -> None:
    for section in SECTIONS:
        module = re.match(r"python -m (benchmarks\.\w+)", section.command)[1]
        path = results.ROOT / module.replace(".", "/")
        assert (
            path.with_suffix(".py").exists()
            or (path / "__main__.py").exists()
            or ("gpu_panel" in module)
        )
        assert "--json" not in section.command or section.file in section.command


def test_ratios_stand_before_absolute_figures() -> None:
    rows = [
        {"name": "a", "ms": 1.5, "ratio": 2.0, "kind": "x"},
        {"name": "b", "ms": 3.0, "ratio": 1.0},
    ]
    ordered = results.ratios_first(rows)
    assert list(ordered[0]) == ["name", "kind", "ratio", "ms"]
    assert results.markdown(ordered).splitlines() == [
        "| name | kind | ratio | ms |",
        "| :--- | :--- | ---: | ---: |",
        "| a | x | 2 | 1.5 |",
        "| b |  | 1 | 3 |",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (1234.5, "1,234"),
        (0.012345, "0.0123"),
        (float("nan"), ""),
        (None, ""),
        (True, "True"),
        ("a|b", "a\\|b"),
        ([1.0, 2.5], "1 2.5"),
    ],
)
def test_cells(value: object, shown: str) -> None:
    assert results.text(value) == shown


def test_a_file_of_a_new_benchmark_gets_a_table(tmp_path: Path) -> None:
    write(tmp_path, "benchmarks/walk_speed.json", [{"what": "one", "us": 3.25}])
    page = results.page(tmp_path)
    assert "## walk speed" in page
    assert "| one | 3.25 |" in page
    assert "Test, 2 cores (load 0.5); 2 x cpu; jax 0.10.2; python 3.11.7; 2026-11-21" in page


def test_several_tables_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "gpu" / "gpu_panel.json"
    path.parent.mkdir()
    tables = [
        {"title": "Aims", "rows": [{"aim of": "step", "found": 1.5}]},
        {"title": "Peaks", "rows": [{"what": "flops", "found": 2}]},
    ]
    path.write_text(json.dumps({"machine": {"devices": ["H100"]}, "tables": tables}))
    page = results.page(tmp_path)
    assert page.index("### Aims") < page.index("| step | 1.5 |") < page.index("### Peaks")
    assert "Made on 1 x H100. File: `results/gpu/gpu_panel.json`." in page


def test_derived_ratios(tmp_path: Path) -> None:
    rows = [{"members": 1, "steps/s": 200.0}, {"members": 10, "steps/s": 900.0}]
    write(tmp_path, "benchmarks/dqn_minatar.json", rows)
    assert "| 10 | 4.5 | 900 |" in results.page(tmp_path)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "update.json").write_text("{")
    with pytest.raises(ValueError, match=r"^update\.json: .*; allowed: what a benchmark"):
        results.page(tmp_path)
