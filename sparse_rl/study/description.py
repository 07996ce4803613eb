"""What a study would do and need, in words, before anything is compiled or trained."""

from __future__ import annotations

from pathlib import Path

from sparse_rl.config.experiment import Config
from sparse_rl.study import memory
from sparse_rl.study.continuation import kept
from sparse_rl.study.phases import Phase
from sparse_rl.study.plan import start_in_words
from sparse_rl.study.preparation import Study, prepare
from sparse_rl.study.reach import too_sparse
from sparse_rl.study.recording import Recorder


def describe(config: Config) -> str:
    """Phases, members, member-steps, evaluations and memory.

    Raises `ConfigError`, one line, where the study could not start.
    """
    if config.resume and (begun := Recorder(Path(config.resume))).is_finished:
        return begun.finished_already()
    study = prepare(config)
    Recorder(Path(config.out)).check(config)
    said: list[str] = []
    memory.require(study, said.append)
    if not config.resume:  # its own checkpoint has them
        kept(study)
    members = [member for phase in study.phases for member in phase.members]
    variants = list(dict.fromkeys(member.variant.name for member in members))
    devices = study.mesh.devices.size
    lines = [
        f"{config.environment}, {config.agent.name.upper()}, {config.seeds:,} "
        f"seed{'s' * (config.seeds != 1)}, {len(variants)} variant{'s' * (len(variants) != 1)}: "
        f"{', '.join(variants)}",
        *start_in_words(config),
        "",
        *_table(study.phases),
        "",
        f"evaluation: every {config.evaluation.every:,} steps with {config.evaluation.episodes:,} "
        f"episodes of each member; {config.evaluation.final_episodes:,} in the last",
        f"devices: {devices}, {study.mesh.devices.flat[0].platform}",
        *said,
        *(f"warning: {line}" for line in too_sparse(study)),
        *_where(study),
        "nothing was trained: this was a dry run",
    ]
    return "\n".join(lines)


def _where(study: Study) -> list[str]:
    config = study.config
    if config.resume:
        return [f"it would continue {config.resume}"]
    return [f"results would go to {config.out or 'runs/ENVIRONMENT-TIME'}"]


def _table(phases: tuple[Phase, ...]) -> list[str]:
    rows = [("phase", "from step", "to step", "members", "member-steps")]
    rows += [
        (
            phase.label,
            f"{phase.begin:,}",
            f"{phase.end:,}",
            f"{len(phase.members):,}",
            f"{phase.member_steps:,}",
        )
        for phase in phases
        if phase.end > phase.begin
    ]
    rows.append(("in all", "", "", "", f"{sum(phase.member_steps for phase in phases):,}"))
    width = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(
            cell.rjust(width[i]) if i else cell.ljust(width[i]) for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
