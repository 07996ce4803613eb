"""Where a run's numbers come from: command, commit, versions, and how much training they took."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparse_rl.runs.run import Run
from sparse_rl.runs.settings import number, text


def provenance(run: Run) -> dict[str, str]:
    """What versions.txt says, line by line, and the budget of environment steps."""
    found, versions = {"directory": str(run.path)}, []
    for line in run.versions.splitlines():
        key, separator, value = line.partition(":") if ":" in line else line.partition(" ")
        if separator and re.fullmatch(r"\d+(\.\w+)+", value.strip()):
            versions.append(f"{key.strip()} {value.strip()}")
        elif separator and value.strip():
            found[key.strip()] = value.strip()
    if versions:
        found["versions"] = ", ".join(versions)
    steps = sum(phase.member_steps for phase in run.record.phases)
    seeds = int(number(run.settings, "seeds"))
    found["budget"] = (
        f"{steps:,} environment steps for {seeds} seeds (the dense phase of a seed is shared by "
        f"its variants){_before(run.settings)}, {episodes(run.settings)}"
    )
    return found


def _before(config: Mapping[str, Any]) -> str:
    """The steps of the run whose dense members went on here."""
    source = text(config, "start.run")
    if not source:
        return ""
    return f", after {int(number(config, 'start.step')):,} of each in {source}"


def episodes(config: Mapping[str, Any]) -> str:
    """How many episodes the final evaluation of a variant has, in words."""
    count = text(config, "evaluation.final_episodes") or text(config, "evaluation.episodes")
    return f"{count} episodes in each variant's final evaluation" if count else "episodes unknown"
