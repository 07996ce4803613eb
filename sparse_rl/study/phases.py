"""What a study does, in order: phases of one compiled program each, and who takes part in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from sparse_rl.config.experiment import Config
from sparse_rl.runs.variant import DENSE, Variant

PhaseName = Literal["prefill", "dense", "prune", "finetune", "quantize"]


class Member(NamedTuple):
    """One training: a seed of a variant."""

    seed: int
    variant: Variant


class Phase(NamedTuple):
    """The steps [begin, end) of one member, for all `members`, in one compiled program.

    `after` is the index, in the plan, of the phase that it goes on from; -1 for the first.
    """

    name: PhaseName
    begin: int
    end: int
    members: tuple[Member, ...]
    after: int = -1

    @property
    def arithmetic(self) -> str:
        return self.members[0].variant.arithmetic

    @property
    def label(self) -> str:
        """The name that a person reads, unique within a study."""
        return f"{self.name} {self.arithmetic}" if self.name == "quantize" else self.name

    @property
    def member_steps(self) -> int:
        return (self.end - self.begin) * len(self.members)


def plan(config: Config) -> list[Phase]:
    """Dense training once per seed, then all levels, then all levels once per int8 mode.

    Levels may be split into groups, one after the other. Every group goes on from the end of dense
    training, every quantisation phase from the end of its group's fine-tuning. Phases without steps
    are left out.
    """
    seeds = config.seed_numbers
    shared = tuple(Member(seed, DENSE) for seed in seeds)
    steps, quantized = config.training.steps, config.quantize_end
    phases: list[Phase] = []

    def add(name: PhaseName, begin: int, end: int, members: tuple[Member, ...], after: int) -> int:
        if end == begin:
            return after
        phases.append(Phase(name, begin, end, members, after))
        return len(phases) - 1

    prefill = add("prefill", 0, config.training.learning_starts, shared, -1)
    dense = add("dense", config.training.learning_starts, config.prune_begin, shared, prefill)
    split = min(config.population.split, len(config.sparsity.levels))
    for levels in np.array_split(np.array(config.sparsity.levels), split):

        def variants(arithmetic: str, levels: Iterable[float] = levels) -> tuple[Member, ...]:
            return tuple(
                Member(seed, Variant(sparsity=float(level), arithmetic=arithmetic))
                for level in levels
                for seed in seeds
            )

        prune = add("prune", config.prune_begin, config.prune_end, variants("float32"), dense)
        tuned = add("finetune", config.prune_end, steps, variants("float32"), prune)
        for mode in config.quantization.modes:
            add("quantize", steps, quantized, variants(mode), tuned)
    return phases


def parents(before: tuple[Member, ...], after: tuple[Member, ...]) -> Int[np.ndarray, " after"]:
    """For each member of `after` the position of the one in `before` that it goes on from.

    That is the one of the same seed and variant before its quantization, or, at the first fork, of
    the same seed.
    """
    exact = {(member.seed, member.variant): i for i, member in enumerate(before)}
    by_seed = {member.seed: i for i, member in enumerate(before)}
    first_fork = {member.variant for member in before} == {DENSE}
    return np.array(
        [
            by_seed[member.seed] if first_fork else exact[member.seed, member.variant.in_float32]
            for member in after
        ],
        dtype=np.int32,
    )
