"""SIGKILL at six random moments, half of them while a checkpoint is being written."""

from pathlib import Path

import pytest

from benchmarks.kill import Killer, differences, whole


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole(tmp_path / "whole")
    killer, runs = Killer(seed=1), 0
    while killer.kills < 6:
        out = tmp_path / f"killed-{runs}"
        killer.bring_to_its_end(out, most=6)
        assert differences(tmp_path / "whole", out) == []
        runs += 1
    assert killer.while_writing >= 2
