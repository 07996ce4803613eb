"""The command `train` on a run that has reached its end."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparse_rl import launch
from sparse_rl.render import comparison
from sparse_rl.report import page
from sparse_rl.runs.run import Run


@pytest.mark.parametrize("has_page", [True, False])
def test_what_is_whole_stays_as_it_is_and_a_missing_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_page: bool
) -> None:
    written: list[str] = []

    def write(kind: str) -> Any:
        return lambda run: written.append(kind) or kind

    monkeypatch.setattr(launch, "train", lambda config, progress: Run(config.resume))
    monkeypatch.setattr(comparison, "film", write("film"))
    monkeypatch.setattr(page, "write_report", write("page"))
    (tmp_path / "summary.md").write_text("the table")
    if has_page:
        (tmp_path / "report").mkdir()
        (tmp_path / "report" / "index.html").write_text("<html>")
    command = importlib.import_module("sparse_rl.train")  # the package has a function of this name
    command.main(SimpleNamespace(resume=str(tmp_path)))  # type: ignore[arg-type]
    assert written == ([] if has_page else ["film", "page"])
