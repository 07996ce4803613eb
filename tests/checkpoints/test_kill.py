"""SIGKILL at random moments, every other time while a checkpoint is being written.

Each costs a new start of the program; `benchmarks.kill` has a hundred, in a study of more phases.
"""

from pathlib import Path

import pytest

from benchmarks import kill

KILLS = 4


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"quantization.modes": "int8", "evaluation.final_episodes": "2"}.items():
        monkeypatch.setitem(kill.OPTIONS, name, value)
    kill.whole(tmp_path / "whole")
    killer, runs = kill.Killer(seed=1), 0
    while killer.kills < KILLS or killer.while_writing < 2:
        assert runs < 6, "checkpoints are written too seldom to be met"
        out = tmp_path / f"killed-{runs}"
        killer.bring_to_its_end(out, most=max(KILLS, killer.kills + 1))
        assert kill.differences(tmp_path / "whole", out) == []
        runs += 1
