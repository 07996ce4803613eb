"""Where a run's numbers come from: command, commit, versions, and how much training they took."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparse_rl.report.phases import setting
from sparse_rl.report.run_directory import Run, read_versions


def provenance(run: Run) -> dict[str, str]:
    """What versions.txt says, line by line, and the budget of environment steps."""
    found, versions = {"directory": str(run.path)}, []
    for line in read_versions(run).splitlines():
        key, separator, value = line.partition(":") if ":" in line else line.partition(" ")
        if separator and re.fullmatch(r"\d+(\.\w+)+", value.strip()):
            versions.append(f"{key.strip()} {value.strip()}")
        elif separator and value.strip():
            found[key.strip()] = value.strip()
    if versions:
        found["versions"] = ", ".join(versions)
    steps = environment_steps(run.config)
    seeds = int(setting(run.config, "seeds"))
    found["budget"] = (
        f"{steps:,} environment steps for {seeds} seeds (the dense phase of a seed is shared by "
        f"its arms), {episodes(run.config)}"
    )
    return found


def environment_steps(config: Mapping[str, Any]) -> int:
    """Training steps of all members: the dense phase once per seed, then every arm on its own."""
    steps = int(setting(config, "training.steps"))
    begin = round(steps * float(setting(config, "sparsity.begin")))
    levels = len(setting(config, "sparsity.levels"))
    modes = len(setting(config, "quantization.modes"))
    quantized = round(steps * float(setting(config, "quantization.fraction"))) * modes
    per_seed = begin + levels * (steps - begin) + levels * quantized
    return int(setting(config, "seeds")) * per_seed


def episodes(config: Mapping[str, Any]) -> str:
    """How many episodes the final evaluation of an arm has, in words."""
    evaluation = config.get("evaluation", {})
    count = evaluation.get("final_episodes", evaluation.get("episodes"))
    return f"{count} episodes in each arm's final evaluation" if count else "episodes unknown"
