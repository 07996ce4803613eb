"""What a study costs, in which order it runs, and from whom each member goes on."""

import itertools

import numpy as np
import pytest

from benchmarks.member_steps import PAPER, separately, together
from sparse_rl.config.reading import from_mapping
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.study.phases import Member, parents, plan


def test_the_papers_study_costs_82_instead_of_176_million_steps() -> None:
    phases = plan(from_mapping(PAPER))
    # By hand: 10 seeds x (0.2 + 8 x 0.8 + 8 x 0.2) million, and 10 x 8 x (1 + 1.2) million.
    assert together(phases) == 82_000_000
    assert separately(phases) == 176_000_000


def test_the_papers_phases() -> None:
    phases = plan(from_mapping(PAPER))
    assert [(phase.name, phase.begin, phase.end, len(phase.members)) for phase in phases] == [
        ("prefill", 0, 10_000, 10),
        ("dense", 10_000, 200_000, 10),
        ("prune", 200_000, 800_000, 80),
        ("finetune", 800_000, 1_000_000, 80),
        ("quantize", 1_000_000, 1_200_000, 80),
    ]
    assert [phase.arithmetic for phase in phases] == ["float32"] * 4 + ["int8"]
    for phase in phases:
        assert len(set(phase.members)) == len(phase.members)
    assert [phase.label for phase in phases][-1] == "quantize int8"


def test_every_mode_goes_on_from_the_end_of_finetuning() -> None:
    both = {"modes": ["int8w", "int8"], "fraction": 0.2}
    phases = plan(from_mapping(PAPER | {"quantization": both}))
    assert [(p.begin, p.end, p.arithmetic) for p in phases if p.name == "quantize"] == [
        (1_000_000, 1_200_000, "int8w"),
        (1_000_000, 1_200_000, "int8"),
    ]
    assert together(phases) == 98_000_000
    assert len({phase.label for phase in phases}) == len(phases)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"quantization": {"modes": []}}, ["prefill", "dense", "prune", "finetune"]),
        (
            {"training": {"steps": 1_000_000, "learning_starts": 200_000}},
            ["prefill", "prune", "finetune", "quantize"],
        ),
        ({"sparsity": {"begin": 0.2, "end": 1.0}}, ["prefill", "dense", "prune", "quantize"]),
        (
            {"sparsity": {"end": 1.0}, "quantization": {"modes": []}},
            ["prefill", "dense", "prune"],
        ),
    ],
)
def test_phases_without_steps_are_left_out(change: dict[str, object], names: list[str]) -> None:
    phases = plan(from_mapping(PAPER | change))
    assert [phase.name for phase in phases] == names
    for before, after in itertools.pairwise(phases):
        assert after.begin == before.end
    assert phases[0].begin == 0


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


def test_parents_of_a_study_with_the_dense_level_alone() -> None:
    phases = plan(from_mapping(PAPER | {"sparsity": {"levels": [0]}}))
    for before, after in itertools.pairwise(phases):
        np.testing.assert_array_equal(parents(before.members, after.members), np.arange(10))


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


def test_names_of_arms() -> None:
    names = [
        Variant(sparsity=0.0, arithmetic="float32"),
        Variant(sparsity=0.9, arithmetic="int8w"),
        Variant(sparsity=0.98, arithmetic="int8"),
    ]
    assert [arm.name for arm in names] == ["0", "0.9-int8w", "0.98-int8"]
