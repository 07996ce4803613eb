"""What a study does, in order: phases of one compiled program each, and who takes part in them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from sparse_rl.config import Config, Quantization
from sparse_rl.report.run_directory import arm_name

PhaseName = Literal["prefill", "dense", "prune", "finetune", "quantize"]


class Arm(NamedTuple):
    """One way of compressing: the asked sparsity and the arithmetic."""

    sparsity: float
    quantization: Quantization

    @property
    def name(self) -> str:
        return arm_name(self.sparsity, self.quantization)


class Member(NamedTuple):
    """One training: a seed under an arm."""

    seed: int
    arm: Arm


class Phase(NamedTuple):
    """The steps [begin, end) of one member, for all `members`, in one compiled program."""

    name: PhaseName
    begin: int
    end: int
    members: tuple[Member, ...]

    @property
    def quantization(self) -> Quantization:
        return self.members[0].arm.quantization

    @property
    def label(self) -> str:
        """The name that a person reads, unique within a study."""
        return f"{self.name} {self.quantization}" if self.name == "quantize" else self.name

    @property
    def member_steps(self) -> int:
        return (self.end - self.begin) * len(self.members)


DENSE = Arm(0.0, "float32")


def plan(config: Config) -> list[Phase]:
    """Dense training once per seed, then all levels, then all levels once per int8 mode.

    Phases without steps are left out. Every quantisation phase starts from the end of fine-tuning.
    """
    seeds = config.seed_numbers
    shared = tuple(Member(seed, DENSE) for seed in seeds)

    def arms(quantization: Quantization) -> tuple[Member, ...]:
        levels = config.sparsity.levels
        return tuple(Member(seed, Arm(level, quantization)) for level in levels for seed in seeds)

    steps, pruned = config.training.steps, arms("float32")
    phases = [
        Phase("prefill", 0, config.training.learning_starts, shared),
        Phase("dense", config.training.learning_starts, config.prune_begin, shared),
        Phase("prune", config.prune_begin, config.prune_end, pruned),
        Phase("finetune", config.prune_end, steps, pruned),
        *(
            Phase("quantize", steps, config.quantize_end, arms(mode))
            for mode in config.quantization.modes
        ),
    ]
    return [phase for phase in phases if phase.end > phase.begin]


def parents(before: tuple[Member, ...], after: tuple[Member, ...]) -> Int[np.ndarray, " after"]:
    """For each member of `after` the position of the one in `before` that it goes on from.

    That is the one of the same seed and sparsity, or, at the first fork, of the same seed.
    """
    exact = {(member.seed, member.arm.sparsity): i for i, member in enumerate(before)}
    by_seed = {member.seed: i for i, member in enumerate(before)}
    first_fork = {member.arm for member in before} == {DENSE}
    return np.array(
        [
            by_seed[member.seed] if first_fork else exact[member.seed, member.arm.sparsity]
            for member in after
        ],
        dtype=np.int32,
    )
