"""A trained policy's card against numbers computed from the metrics by hand."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sparse_rl.runs.card import card_of
from sparse_rl.runs.layout import FINAL, RETURN_SPREAD
from sparse_rl.runs.run import Run
from tests.made_up_run import RANDOM


def test_the_card_has_the_numbers_of_the_study(finished_run) -> None:
    run = Run(finished_run)
    final = run.metrics.query("phase == 'final' and metric == 'return'")
    returns = final.pivot_table(index="seed", columns="variant", values="value")
    own, dense = returns["0.98"].to_numpy(), returns["0"].to_numpy()
    best = int(returns["0.98"].idxmax())
    fresh = np.array([10.0, 20.0, 60.0])
    card = card_of(run, "0.98", best, True, fresh)
    assert card.chosen == f"the best of {len(own)} seeds" and card.policy == f"seed {best}"
    assert card.own.value == own.max()
    assert card.fresh is not None and card.fresh.value == 30
    assert card.fresh.error == pytest.approx(stats.sem(fresh))
    assert card.alike.value == pytest.approx(stats.trim_mean(own, 0.25))
    interval = stats.ttest_1samp(own - dense, 0).confidence_interval(0.95)
    found = (card.difference.low, card.difference.high)
    assert found == pytest.approx((interval.low, interval.high))
    assert card.difference.value == pytest.approx((own - dense).mean())
    assert card.margin == pytest.approx(0.05 * abs(dense.mean() - RANDOM), rel=0.02)
    assert card.verdict == "worse"


def test_a_seed_that_was_asked_for_is_not_called_the_best(finished_run) -> None:
    run = Run(finished_run)
    card = card_of(run, "0", 2, False, np.array([5.0]))
    assert "best" not in card.chosen and card.verdict == ""
    assert card.own.value == run.final_returns("0")[2]
    assert card.fresh is not None and np.isnan(card.fresh.error)


def test_the_error_of_its_own_return_is_that_of_a_mean_over_episodes(
    finished_run: Path, tmp_path: Path
) -> None:
    """The run records how far one episode's return is from another's: the mean of 50 is nearer."""
    run = shutil.copytree(finished_run, tmp_path / "run")
    file = run / "metrics.csv"
    table = pd.read_csv(file)
    final = table[(table["phase"] == FINAL) & (table["metric"] == "return")]
    spread = final.assign(metric=RETURN_SPREAD, value=30.0)
    pd.concat([table, spread]).to_csv(file, index=False)
    card = card_of(Run(run), "0.98", 2, False, np.array([5.0, 6.0]))
    assert card.own.episodes == 50
    assert card.own.error == pytest.approx(30 / 50**0.5)


def test_the_card_counts_those_that_failed(make_run) -> None:
    run = Run(make_run(failed=((2, 0.98, "float32"), (4, 0.98, "float32"))))
    card = card_of(run, "0.98", 1, True, np.array([5.0, 6.0]))
    assert card.chosen == "the best of 8 seeds, of which 2 failed"
    assert card.policies == "all 8 seeds, of which 2 failed"
