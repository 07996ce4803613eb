"""A phase of a study and its members, and from whom each member goes on."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from sparse_rl.runs.variant import DENSE, Variant

PhaseName = Literal["prefill", "dense", "prune", "finetune", "quantize"]


class Member(NamedTuple):
    """One training: a seed of a variant."""

    seed: int
    variant: Variant


class Phase(NamedTuple):
    """The steps [begin, end) of one member, for all `members`, in one compiled program.

    `after` is the index, in the plan, of the phase that it continues from; None for fresh members.
    `masks_from` is that of the phase whose last masks fresh members start with; None for their own.
    `method` names the sparsity method of its members; empty for those that all methods share.
    """

    name: PhaseName
    begin: int
    end: int
    members: tuple[Member, ...]
    after: int | None = None
    method: str = ""
    masks_from: int | None = None

    @property
    def needs(self) -> set[int]:
        """The phases at whose ends it begins."""
        return {phase for phase in (self.after, self.masks_from) if phase is not None}

    @property
    def arithmetic(self) -> str:
        return self.members[0].variant.arithmetic

    @property
    def acts_at_random(self) -> bool:
        return self.name == "prefill"

    @property
    def changes_masks(self) -> bool:
        return self.name == "prune"

    @property
    def label(self) -> str:
        """The name that a person reads, unique among the phases of a study's groups."""
        words: list[str] = [self.name]
        if self.method not in ("", DENSE.method):
            words.append(self.method)
        if self.name == "quantize":
            words.append(self.arithmetic)
        return " ".join(words)

    @property
    def member_steps(self) -> int:
        return (self.end - self.begin) * len(self.members)


def parents(before: tuple[Member, ...], after: tuple[Member, ...]) -> Int[np.ndarray, " after"]:
    """For each member of `after` the position of the one in `before` that it continues from.

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


def donors(before: tuple[Member, ...], after: tuple[Member, ...]) -> Int[np.ndarray, " after"]:
    """For each member of `after` the position of the one in `before` whose masks it is given.

    That is the one of the same seed and the same levels, of whatever method.
    """

    def what(member: Member) -> tuple[int, float, float]:
        return member.seed, member.variant.sparsity, member.variant.critic_sparsity

    position = {what(member): i for i, member in enumerate(before)}
    return np.array([position[what(member)] for member in after], dtype=np.int32)
