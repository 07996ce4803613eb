import numpy as np

from sparse_rl.report.phases import phases, target_sparsity
from sparse_rl.runs.record import Record, Span

SPANS = (
    Span("prefill", 0, 50, 4),
    Span("dense", 50, 200, 4),
    Span("prune", 200, 800, 8),
    Span("finetune", 800, 1000, 8),
    Span("quantize", 1000, 1200, 8),
)
RECORD = Record(SPANS)


def test_phases_follow_each_other_to_the_end() -> None:
    assert phases(RECORD) == [
        ("dense", 0, 200),
        ("prune", 200, 800),
        ("fine-tune", 800, 1000),
        ("int8", 1000, 1200),
    ]


def test_groups_of_levels_and_several_int8_modes_share_their_phases() -> None:
    assert phases(Record(SPANS[:2] + 2 * SPANS[2:])) == phases(RECORD)


def test_target_by_hand() -> None:
    # Half way through pruning 7/8 of the level is reached: 1 - (1/2)^3.
    steps = [0, 200, 500, 800, 1000]
    expected = 0.8 * np.array([0, 0, 7 / 8, 1, 1])
    np.testing.assert_allclose(target_sparsity(RECORD, "gradual", 0.8, steps), expected, atol=1e-12)


MANY = Record(
    (
        Span("prefill", 0, 50, 4, "rigl"),
        Span("prune", 50, 750, 4, "rigl"),
        Span("finetune", 750, 1000, 4, "rigl"),
        Span("prefill", 0, 50, 4),
        Span("dense", 50, 200, 4),
        Span("prune", 200, 800, 8, "gradual"),
        Span("finetune", 800, 1000, 8, "gradual"),
    )
)


def test_several_methods_ask_in_phases_of_their_own() -> None:
    assert phases(MANY) == [("dense", 0, 200), ("prune", 200, 800), ("fine-tune", 800, 1000)]
    steps = [0, 200, 500, 1000]
    gradual = target_sparsity(MANY, "gradual", 0.8, steps)
    np.testing.assert_allclose(gradual, [0, 0, 0.7, 0.8])
    np.testing.assert_array_equal(target_sparsity(MANY, "rigl", 0.8, steps), 4 * [0.8])


def test_other_methods_have_their_level_from_the_fork_on() -> None:
    found = target_sparsity(RECORD, "rigl", 0.8, [0, 199, 200, 1000])
    np.testing.assert_array_equal(found, [0, 0, 0.8, 0.8])


def test_before_a_method_that_is_sparse_from_step_0_nothing_is_dense() -> None:
    assert phases(Record(MANY.phases[:3])) == [
        ("prefill", 0, 50),
        ("prune", 50, 750),
        ("fine-tune", 750, 1000),
    ]
