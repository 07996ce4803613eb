"""The record of an evaluation, from arrays over members."""

import math

import numpy as np

from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.study.phases import Member, Phase
from sparse_rl.study.progress.evaluation import Evaluation, evaluation_of

SPARSE = Variant(sparsity=0.9)
MEMBERS = tuple(Member(seed, variant) for variant in (DENSE, SPARSE) for seed in (3, 4, 5))
PHASE = Phase("prune", 100, 200, MEMBERS)
METRICS = {
    "return": np.array([1.0, 2.0, 3.0, 10.0, np.nan, -40.0, 99.0]),  # the last fills a device up
    "sparsity": np.array([0.0, 0.0, 0.0, 0.7, 0.8, 0.9, 0.5]),
    "failed": np.array([np.nan, np.nan, np.nan, np.nan, 1.0, np.nan, np.nan]),
}


def record() -> Evaluation:
    return evaluation_of(PHASE, 150, METRICS)


def test_every_seed_of_every_variant_and_nobody_else() -> None:
    found = record()
    assert (found.phase, found.step, found.final) == ("prune", 150, False)
    assert found.returns["0"] == {3: 1.0, 4: 2.0, 5: 3.0}
    assert list(found.returns) == ["0", "0.9"] and math.isnan(found.returns["0.9"][4])
    assert found.failed == {"0": 0, "0.9": 1}
    assert found.sparsity == {"0": 0.0, "0.9": (0.7 + 0.8 + 0.9) / 3}


def test_means_and_the_worst_seed_leave_failed_seeds_out() -> None:
    assert record().means == {"0": 2.0, "0.9": -15.0}
    assert record().lowest == {"0": 1.0, "0.9": -40.0}


def test_the_frame_has_a_row_for_each_seed() -> None:
    frame = record().frame
    assert list(frame.index) == [3, 4, 5] and list(frame.columns) == ["0", "0.9"]
    assert frame.loc[5, "0.9"] == -40.0


def test_at_the_end_of_the_prefill_it_is_the_return_of_acting_at_random() -> None:
    prefill = Phase("prefill", 0, 100, MEMBERS[:3])
    metrics = {"train_return": np.array([5.0, 6.0, 7.0]), "sparsity": np.zeros(3)}
    assert evaluation_of(prefill, 100, metrics).random
    assert evaluation_of(prefill, 100, metrics).returns == {"0": {3: 5.0, 4: 6.0, 5: 7.0}}
    played = metrics | {"return": np.array([8.0, 8.0, 8.0])}
    assert evaluation_of(prefill, 100, played).means == {"0": 8.0}
