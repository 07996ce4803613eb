import numpy as np
import pytest

from sparse_rl.report.phases import asked_sparsity, phases, setting

CONFIG = {
    "training": {"steps": 1000},
    "sparsity": {"begin": 0.2, "end": 0.8},
    "quantization": {"modes": ["int8"], "fraction": 0.2},
}


def test_phases_follow_each_other_to_the_end() -> None:
    assert phases(CONFIG) == [
        ("dense", 0, 200),
        ("prune", 200, 800),
        ("fine-tune", 800, 1000),
        ("int8", 1000, 1200),
    ]


def test_no_int8_phase_without_int8_arms() -> None:
    names = [phase.name for phase in phases(CONFIG | {"quantization": {"modes": []}})]
    assert names == ["dense", "prune", "fine-tune"]


def test_asked_sparsity_by_hand() -> None:
    # Half way through pruning 7/8 of the level is reached: 1 - (1/2)^3.
    steps = [0, 200, 500, 800, 1000]
    expected = 0.8 * np.array([0, 0, 7 / 8, 1, 1])
    np.testing.assert_allclose(asked_sparsity(CONFIG, 0.8, steps), expected, atol=1e-12)


def test_missing_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"config\.yaml: sparsity\.levels is missing"):
        setting(CONFIG, "sparsity.levels")
