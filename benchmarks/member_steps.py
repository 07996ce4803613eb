"""What forking saves: member-steps of a study, against runs of their own.

    python -m benchmarks.member_steps [sac_ant ...] [--json results/benchmarks/member_steps.json]

Counted from the phases that training goes through, not measured. A member is one seed in one arm.
"Separately" trains every seed, level and arithmetic from step 0 to its own end, as one does with a
library that knows runs only. The paper's panel is ten seeds, eight levels, float32 and int8, a
million steps and a fifth of that for int8 (Ivanov et al. 2024). "int8 continued" is the milder
comparison: separate runs too, but each int8 run continues from the end of its level's float32 run.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping, load_config
from sparse_rl.study.phases import Member, Phase
from sparse_rl.study.plan import plan

STUDIES = ("sac_halfcheetah", "dqn_breakout_minatar", "sac_pendulum")
AIM = 2.1
PANEL = "the paper's panel"
PAPER: dict[str, Any] = {
    "seeds": 10,
    "training": {"steps": 1_000_000, "learning_starts": 10_000},
    "sparsity": {
        "levels": [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99],
        "begin": 0.2,
        "end": 0.8,
        "interval": 1_000,
    },
    "quantization": {"modes": ["int8"], "fraction": 0.2},
}


def together(phases: Sequence[Phase]) -> int:
    """Member-steps with forks."""
    return sum(phase.member_steps for phase in phases)


def separately(phases: Sequence[Phase], continued: bool = False) -> int:
    """Member-steps where every seed of every arm is a run of its own.

    With `continued` an int8 run continues from the float32 run of its level.
    """
    ends: dict[Member, int] = {}
    for phase in phases:
        if phase.name in ("prefill", "dense"):  # the beginning of the runs of all arms
            continue
        begin = phase.begin if continued and phase.name == "quantize" else 0
        ends |= {member: phase.end - begin for member in phase.members}
    return sum(ends.values())


def row(name: str, config: Config) -> dict[str, Any]:
    """Counts of one study, and how many times fewer they are with forks."""
    phases = plan(config)
    forked = together(phases)
    apart, continued = separately(phases), separately(phases, continued=True)
    paper = name == PANEL
    return {
        "study": name,
        "fewer by": apart / forked,
        "fewer by, int8 continued": continued / forked,
        "aim": AIM if paper else "",
        "met": ("yes" if apart / forked >= AIM else "no") if paper else "",
        "member-steps": forked,
        "separately": apart,
        "seeds": config.seeds,
        "levels": len(config.sparsity.levels),
        "int8 modes": len(config.quantization.modes),
    }


def rows(studies: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The paper's panel, then the named configurations."""
    yield row(PANEL, from_mapping(PAPER))
    for name in studies:
        yield row(name, load_config(name))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="*", default=STUDIES, help="names in configs/, or files")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the table there")
    options = parser.parse_args()

    from benchmarks.harness import report

    report("Member-steps, forked against separate", list(rows(options.studies)), options.json)


if __name__ == "__main__":
    main()
