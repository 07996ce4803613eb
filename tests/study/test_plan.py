"""What a study costs, in which order it runs, and which phases follow from which."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.member_steps import PAPER, together
from sparse_rl.config.fields import section
from sparse_rl.config.interfaces import Options
from sparse_rl.config.reading import from_mapping
from sparse_rl.registry import METHODS
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.study.phases import Phase, donors, parents
from sparse_rl.study.plan import plan


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


def test_where_nothing_is_pruned_dense_training_goes_on_to_the_end() -> None:
    """In one program, without one that could change masks."""
    phases = plan(from_mapping(PAPER | {"sparsity": {"levels": [0]}}))
    config = from_mapping(PAPER)
    assert [(p.label, p.begin, p.end) for p in phases] == [
        ("prefill", 0, config.prefill_steps),
        ("dense", config.prefill_steps, config.training.steps),
        ("quantize int8", config.training.steps, config.quantize_end),
    ]
    assert {member.variant for phase in phases[:2] for member in phase.members} == {DENSE}
    for before, after in itertools.pairwise(phases):
        np.testing.assert_array_equal(parents(before.members, after.members), np.arange(10))


def test_names_of_variants() -> None:
    names = [
        Variant(sparsity=0.0, arithmetic="float32"),
        Variant(sparsity=0.9, arithmetic="int8w"),
        Variant(sparsity=0.98, arithmetic="int8"),
    ]
    assert [variant.name for variant in names] == ["0", "0.9-int8w", "0.98-int8"]


class Stub(NamedTuple):
    """A method of which the plan needs to know only when it begins and ends."""

    begin: int
    end: int


@section
class NoOptions(Options):
    """None."""


@pytest.fixture(autouse=True)
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods more: one sparse from step 0, one that prunes where learning starts."""
    METHODS.names()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    METHODS.register("from_start", NoOptions)(lambda _, config: Stub(0, 700_000))
    METHODS.register("at_learning", NoOptions)(
        lambda _, config: Stub(config.training.learning_starts, 300_000)
    )


def several(*methods: str, split: int = 1) -> list[Phase]:
    sparsity = PAPER["sparsity"] | {"levels": [0, 0.5, 0.9], "methods": list(methods)}
    changes = {"seeds": 2, "sparsity": sparsity, "population": {"split": split}}
    return plan(from_mapping(PAPER | changes))


def history(phases: list[Phase], index: int) -> list[Phase]:
    """The phases that a member of this one has gone through, the first one first."""
    phase = phases[index]
    return [*(history(phases, phase.after) if phase.after is not None else []), phase]


def test_several_methods_share_the_dense_training_that_they_begin_with() -> None:
    phases = several("gradual", "from_start", "at_learning")
    assert [(p.name, p.method, p.begin, p.end, p.after) for p in phases] == [
        ("prefill", "", 0, 10_000, None),
        ("dense", "", 10_000, 200_000, 0),
        ("prune", "gradual", 200_000, 800_000, 1),
        ("finetune", "gradual", 800_000, 1_000_000, 2),
        ("quantize", "gradual", 1_000_000, 1_200_000, 3),
        ("prefill", "from_start", 0, 10_000, None),
        ("prune", "from_start", 10_000, 700_000, 5),
        ("finetune", "from_start", 700_000, 1_000_000, 6),
        ("quantize", "from_start", 1_000_000, 1_200_000, 7),
        ("prune", "at_learning", 10_000, 300_000, 0),
        ("finetune", "at_learning", 300_000, 1_000_000, 9),
        ("quantize", "at_learning", 1_000_000, 1_200_000, 10),
    ]
    assert [phase.label for phase in phases] == [
        *("prefill", "dense", "prune", "finetune", "quantize int8"),
        *("prefill from_start", "prune from_start", "finetune from_start"),
        "quantize from_start int8",
        *("prune at_learning", "finetune at_learning", "quantize at_learning int8"),
    ]


@pytest.mark.parametrize("split", [1, 2, 3])
@pytest.mark.parametrize(
    "methods", list(itertools.permutations(["gradual", "from_start", "at_learning"]))
)
def test_no_step_of_any_member_is_taken_twice(methods: tuple[str, ...], split: int) -> None:
    """In every order of the methods: dense training is there once, whoever comes first."""
    phases = several(*methods, split=split)
    taken = [(p.name, p.begin, p.end, member) for p in phases for member in p.members]
    assert len(set(taken)) == len(taken)
    for index, phase in enumerate(phases):
        assert phase.after is None or phase.after < index
        begins = [0, *(before.end for before in history(phases, index))]
        assert [before.begin for before in history(phases, index)] == begins[:-1]
        assert {member.seed for member in phase.members} == {0, 1}
    ends = [member for p in phases if p.end == 1_000_000 for member in p.members]
    assert len(ends) == 2 * (1 + 3 * 2)  # of each seed: dense once, two levels of each method
    assert {member.variant.name for member in ends} == {
        *("0", "0.5", "0.9", "from_start-0.5", "from_start-0.9"),
        *("at_learning-0.5", "at_learning-0.9"),
    }
    steps = [phase.end - phase.begin for phase in phases for _ in phase.members]
    # Each seed: dense to where gradual begins, then three there; two from the first step and two
    # from where learning starts; seven go on with int8.
    per_seed = 200_000 + 3 * 800_000 + 2 * 1_000_000 + 2 * 990_000 + 7 * 200_000
    assert sum(steps) == 2 * per_seed


@pytest.mark.parametrize(
    "methods", list(itertools.permutations(["gradual", "from_start", "at_learning"]))
)
def test_every_member_of_every_method_has_its_own_parent(methods: tuple[str, ...]) -> None:
    phases = several(*methods)
    for phase in phases:
        if phase.after is None:
            continue
        before = phases[phase.after].members
        for child, parent in zip(phase.members, parents(before, phase.members), strict=True):
            mother = before[parent]
            assert mother.seed == child.seed
            if mother.variant != DENSE:
                assert mother.variant == child.variant.in_float32
            elif child.variant.in_float32 != DENSE:
                assert phases[phase.after].method == ""  # a fork from what all share


def test_a_method_from_the_start_alone_has_no_shared_training() -> None:
    phases = several("from_start")
    assert [(p.name, p.method) for p in phases] == [
        ("prefill", "from_start"),
        ("prune", "from_start"),
        ("finetune", "from_start"),
        ("quantize", "from_start"),
    ]
    assert DENSE in {member.variant for member in phases[0].members}


def test_networks_that_compete_are_apart_from_the_dense_one() -> None:
    """Which needs no rivals, and would cost what they do."""
    dqn = {
        "environment": "probe/termination?actions=discrete",
        "agent": {"name": "dqn"},
        "training": {"steps": 1_000_000, "learning_starts": 5_000, "train_frequency": 4},
    }

    def phases(*methods: str) -> list[tuple[str, list[str]]]:
        sparsity = {"levels": [0, 0.9], "methods": list(methods), "interval": 2_000}
        found = plan(from_mapping(dqn | {"seeds": 1, "sparsity": sparsity}))
        return [(phase.label, [m.variant.name for m in phase.members]) for phase in found]

    names = ("prefill", "prune", "finetune")
    dense = [*((name, ["0"]) for name in names), ("quantize int8", ["0-int8"])]
    rivals = [(f"{name} adaptive", ["adaptive-0.9"]) for name in names]
    rivals.append(("quantize adaptive int8", ["adaptive-0.9-int8"]))
    assert phases("adaptive") == dense + rivals
    beside = phases("adaptive", "static")
    assert beside[:4] == rivals
    assert beside[4:] == [
        ("prefill static", ["0", "static-0.9"]),
        ("finetune static", ["0", "static-0.9"]),
        ("quantize static int8", ["0-int8", "static-0.9-int8"]),
    ]


def test_without_sparse_variants_a_method_has_no_phases() -> None:
    sparsity = PAPER["sparsity"] | {"levels": [0], "methods": ["gradual", "from_start"]}
    phases = plan(from_mapping(PAPER | {"seeds": 2, "sparsity": sparsity}))
    assert {phase.method for phase in phases} == {""}


def test_critics_levels_are_crossed_with_those_of_the_policy() -> None:
    sparsity = PAPER["sparsity"] | {"levels": [0, 0.9], "critic_levels": [0, 0.5]}
    phases = plan(from_mapping(PAPER | {"seeds": 1, "sparsity": sparsity}))
    (prune,) = [phase for phase in phases if phase.name == "prune"]
    assert [member.variant.name for member in prune.members] == [
        *("0", "0-critics0.5", "0.9", "0.9-critics0.5")
    ]
    assert [member.variant.name for member in phases[1].members] == ["0"]


@pytest.mark.parametrize("split", [1, 2, 3])
def test_a_lottery_starts_again_with_the_masks_of_its_own_seed_and_level(split: int) -> None:
    phases = several("lottery", "gradual", split=split)
    tickets = [phase for phase in phases if phase.method == "lottery"]
    assert {member.variant.name for phase in tickets for member in phase.members} == {
        *("lottery-0.5", "lottery-0.9", "lottery-0.5-int8", "lottery-0.9-int8")
    }
    for index, phase in enumerate(phases):
        assert (phase.masks_from is not None) == (
            phase.method == "lottery" and phase.name == "prefill"
        )
        if phase.masks_from is None:
            continue
        found = phases[phase.masks_from]
        assert (found.name, found.method, found.end) == ("finetune", "gradual", 1_000_000)
        assert phase.masks_from < index and phase.after is None
        assert phase.needs == {phase.masks_from}
        for ticket, donor in zip(phase.members, donors(found.members, phase.members), strict=True):
            mother = found.members[donor]
            assert (mother.seed, mother.variant.sparsity) == (ticket.seed, ticket.variant.sparsity)
            assert (mother.variant.method, ticket.variant.method) == ("gradual", "lottery")
    per_seed = 200_000 + 3 * 800_000 + 2 * 1_000_000 + 5 * 200_000
    assert sum(phase.member_steps for phase in phases) == 2 * per_seed


def without_random_steps(methods: list[str], begin: float) -> list[Phase]:
    """A study of PPO, which has no prefill."""
    sparsity = {"levels": [0, 0.5], "methods": methods, "begin": begin, "interval": 1_000}
    return plan(
        from_mapping(
            {
                "seeds": 2,
                "agent": {"name": "ppo", "rollout_steps": 100, "batch_size": 50},
                "training": {"steps": 10_000},
                "sparsity": sparsity,
                "quantization": {"modes": []},
                "evaluation": {"every": 5_000},
            }
        )
    )


def test_a_lottery_without_random_steps_has_its_masks_in_its_first_phase() -> None:
    """The masks are there where fresh members begin."""
    phases = without_random_steps(["gradual", "lottery"], 0.2)
    tickets = [phase for phase in phases if phase.method == "lottery"]
    assert [(p.name, p.begin, p.end, p.after) for p in tickets] == [("finetune", 0, 10_000, None)]
    assert phases[tickets[0].masks_from].label == "finetune"


@pytest.mark.parametrize("begin", [0.0, 0.2])
@pytest.mark.parametrize("methods", list(itertools.permutations(["gradual", "lottery", "static"])))
def test_the_dense_network_is_trained_whoever_comes_first(
    methods: tuple[str, ...], begin: float
) -> None:
    """Also where all begin at step 0; with a lottery, whose members are sparse, it has no place."""
    phases = without_random_steps(list(methods), begin)
    ends = [member.variant.name for p in phases if p.end == 10_000 for member in p.members]
    assert sorted(ends) == sorted(2 * ["0", "0.5", "lottery-0.5", "static-0.5"])


def test_a_lottery_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sparsity.methods: found lottery, static; allowed: "):
        several("lottery", "static")
