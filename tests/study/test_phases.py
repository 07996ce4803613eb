"""From whom each member of a phase goes on."""

import numpy as np
import pytest

from benchmarks.member_steps import PAPER
from sparse_rl.config.reading import from_mapping
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.study.phases import Member, parents
from sparse_rl.study.plan import plan


def test_parents_are_of_the_same_seed_and_sparsity() -> None:
    phases = plan(from_mapping(PAPER | {"first_seed": 7}))
    dense, prune, finetune, quantize = phases[1:]
    assert {member.variant for member in dense.members} == {DENSE}
    first = parents(dense.members, prune.members)
    for child, parent in zip(prune.members, first, strict=True):
        assert dense.members[parent].seed == child.seed
    assert sorted(first.tolist()) == sorted(list(range(10)) * 8)
    np.testing.assert_array_equal(parents(prune.members, finetune.members), np.arange(80))
    second = parents(finetune.members, quantize.members)
    for child, parent in zip(quantize.members, second, strict=True):
        mother = finetune.members[parent]
        assert (mother.seed, mother.variant.sparsity) == (child.seed, child.variant.sparsity)
        assert (mother.variant.arithmetic, child.variant.arithmetic) == ("float32", "int8")


def test_parents_do_not_depend_on_the_order_or_on_padding() -> None:
    before = tuple(
        Member(seed, Variant(sparsity=level, arithmetic="float32"))
        for level in (0.0, 0.9)
        for seed in (3, 1)
    )
    after = (
        Member(1, Variant(sparsity=0.9, arithmetic="int8")),
        Member(3, Variant(sparsity=0.0, arithmetic="int8")),
    )
    assert parents(before, after).tolist() == [3, 0]
    padded = before + before[:1]
    for child, parent in zip(after, parents(padded, after), strict=True):
        assert padded[parent].seed == child.seed
        assert padded[parent].variant.sparsity == child.variant.sparsity


def test_a_member_without_a_parent_is_an_error() -> None:
    before = (
        Member(0, Variant(sparsity=0.0, arithmetic="float32")),
        Member(0, Variant(sparsity=0.9, arithmetic="float32")),
    )
    with pytest.raises(KeyError):
        parents(before, (Member(0, Variant(sparsity=0.5, arithmetic="int8")),))
