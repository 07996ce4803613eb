from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sparse_rl.report.sentences import criterion, no_loss
from sparse_rl.runs.metrics import Row, joined, table_of
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE as DENSE_VARIANT
from sparse_rl.runs.variant import Variant
from sparse_rl.summary.final_table import default_margin, final_table, random_return
from sparse_rl.summary.table import markdown_table

MakeRun = Callable[..., Path]


def metrics_of(returns: dict[tuple[float, str], list[float]]) -> pd.DataFrame:
    """Final returns by sparsity and arithmetic, seeds numbered from 0."""
    return metrics_of_variants(
        {
            Variant(sparsity=sparsity, arithmetic=arithmetic): values
            for (sparsity, arithmetic), values in returns.items()
        }
    )


def metrics_of_variants(returns: dict[Variant, list[float]]) -> pd.DataFrame:
    rows = [
        Row(100, "final", seed, variant.name, "return", value)
        for variant, values in returns.items()
        for seed, value in enumerate(values)
    ]
    return joined(table_of(rows), {variant.name: variant for variant in returns})


DENSE = [100.0, 110.0, 90.0, 105.0]


def test_table_against_the_csv_read_anew(make_run: MakeRun) -> None:
    path = make_run()
    row = final_table(Run(path).metrics).set_index("variant").loc["0.98-int8"]
    raw = pd.read_csv(path / "metrics.csv", dtype={"variant": str})
    raw = raw[(raw.phase == "final") & (raw.metric == "return")]
    own = raw[raw.variant == "0.98-int8"].sort_values("seed").value
    dense = raw[raw.variant == "0"].sort_values("seed").value
    assert row.return_iqm == pytest.approx(np.sort(own)[2:6].mean())
    assert row.difference == pytest.approx(own.mean() - dense.mean())
    half_width = stats.sem(own.to_numpy() - dense.to_numpy()) * stats.t(7).ppf(0.975)
    assert row.difference_low == pytest.approx(row.difference - half_width)
    assert (row.seeds, row.failed, row.pairs) == (8, 0, 8)
    assert row.nonzero == 4992 - round(0.98 * 4992)
    assert row.achieved_sparsity == pytest.approx(0.98, abs=1e-4)


def test_failed_members_are_counted_and_cost_what_the_lowest_return_costs(
    make_run: MakeRun,
) -> None:
    path = make_run(failed=((2, 0.9, "float32"), (5, 0.0, "float32")))
    metrics = Run(path).metrics
    table = final_table(metrics).set_index("variant")
    assert (table.loc["0.9", "seeds"], table.loc["0.9", "failed"]) == (7, 1)
    assert table.loc["0.9", "pairs"] == 7  # seed 5 has no dense partner, seed 2 counts
    assert table.loc["0.5", "pairs"] == 7
    final = metrics[(metrics.phase == "final") & (metrics.metric == "return")]
    own, dense = (
        final[final.variant == name].set_index("seed").value.drop(5) for name in ("0.9", "0")
    )
    gap = (own.where(own.index != 2, 20.0) - dense).mean()  # of acting at random, which is lower
    assert table.loc["0.9", "difference"] == pytest.approx(gap)
    assert table.loc["0.9", "return_iqm"] > 2000  # of those that have a return


def test_survivors_alone_are_not_enough_for_not_worse() -> None:
    """Six of ten seeds fail, and the others are as good as dense."""
    dense = [100.0 + seed for seed in range(10)]
    left = [*dense[:4], *[np.nan] * 6]
    table = final_table(metrics_of({(0, "float32"): dense, (0.98, "float32"): left}), 5.0)
    row = table.set_index("variant").loc["0.98"]
    assert (row.seeds, row.failed, row.pairs) == (4, 6, 10)
    # Nobody acted at random here: the lowest return is 100.
    assert row.difference == pytest.approx(100 * 0.6 - sum(dense[4:]) / 10)
    assert row.verdict != "not worse"
    one = [*dense[:9], np.nan]
    acted = [Row(0, "prefill", seed, "0", "train_return", -900.0) for seed in range(10)]
    variants = {"0": DENSE_VARIANT, "0.98": Variant(sparsity=0.98)}
    metrics = metrics_of({(0, "float32"): dense, (0.98, "float32"): one})
    row = final_table(pd.concat([joined(table_of(acted), variants), metrics])).loc[1]
    assert (row.failed, row.verdict) == (1, "undecided")
    assert row.difference == pytest.approx((-900 - 109) / 10)


def test_a_variant_whose_training_goes_on_has_not_failed() -> None:
    metrics = metrics_of({(0, "float32"): DENSE, (0, "int8"): DENSE, (0.9, "int8"): DENSE})
    going_on = metrics["variant"].isin(["0-int8", "0.9-int8"])
    metrics.loc[going_on, "phase"] = "quantize"
    table = final_table(metrics)
    assert list(table["seeds"]) == [4, 0, 0] and list(table["failed"]) == [0, 0, 0]
    assert list(table["verdict"]) == ["", "not finished", "not finished"]
    assert [str(sentence) for sentence in no_loss(table)] == [
        "Not pruned, int8 weights and activations: not finished; nothing can be said yet.",
        "Pruned with int8 weights and activations: not finished; 90 %.",
    ]
    assert "| not finished |" in markdown_table(table) and "0 of" not in markdown_table(table)
    dense_goes_on = metrics_of({(0, "float32"): DENSE, (0.9, "float32"): DENSE})
    dense_goes_on.loc[dense_goes_on["variant"] == "0", "phase"] = "finetune"
    assert [str(sentence) for sentence in no_loss(final_table(dense_goes_on))] == [
        "No dense network to compare with; dense is not finished."
    ]


def test_a_return_that_is_no_number_is_a_failure() -> None:
    table = final_table(metrics_of({(0, "float32"): DENSE, (0.5, "float32"): [1, 2, np.nan, 4]}))
    assert table.set_index("variant").loc["0.5", "failed"] == 1


def test_verdicts() -> None:
    table = final_table(
        metrics_of(
            {
                (0, "float32"): DENSE,
                (0.5, "float32"): [value + 1 + seed for seed, value in enumerate(DENSE)],
                (0.8, "float32"): [value - 30 - seed for seed, value in enumerate(DENSE)],
                (0.9, "float32"): [60.0, 150.0, 90.0, 80.0],
                (0.95, "float32"): [100.0, 110.0],
            }
        ),
        margin=5.0,
    )
    assert list(table["verdict"]) == ["", "not worse", "worse", "undecided", "few seeds"]


def test_a_collapsed_seed_is_not_trimmed_away() -> None:
    dense = [100.0 + seed for seed in range(8)]
    collapsed = [*dense[:7], 0.0]
    table = final_table(metrics_of({(0, "float32"): dense, (0.9, "float32"): collapsed}), 5.0)
    assert table.loc[1, "verdict"] == "undecided"


def test_margin_is_measured_from_acting_at_random(make_run: MakeRun) -> None:
    metrics = Run(make_run()).metrics
    final = metrics[(metrics.phase == "final") & (metrics.metric == "return")]
    dense = final[final.variant == "0"].value.mean()
    assert random_return(metrics) == 20.0
    assert default_margin(metrics).value == pytest.approx(0.05 * (dense - 20))


def test_where_dense_has_gained_nothing_there_is_no_margin() -> None:
    acted = [Row(0, "prefill", 0, "0", "train_return", -50.0)]
    random = joined(table_of(acted), {"0": DENSE_VARIANT})
    metrics = metrics_of(
        {(0, "float32"): [value - 200 for value in DENSE], (0.9, "float32"): DENSE,
         (0.98, "float32"): [value - 201 for value in DENSE]}
    )  # fmt: skip
    margin = default_margin(pd.concat([random, metrics]))
    assert margin.value == 0 and "gained nothing over acting at random" in margin.origin
    table = final_table(pd.concat([random, metrics]))
    assert list(table["verdict"]) == ["", "not worse", "worse"]


def test_margin_without_random_returns_says_so() -> None:
    margin = default_margin(metrics_of({(0, "float32"): [-100.0, -100.0]}))
    assert margin.value == pytest.approx(5)
    assert "recorded no returns" in margin.origin


@pytest.mark.parametrize("phase", ["prune", "finetune"])
def test_unfinished_run_is_an_error_that_says_so(phase: str) -> None:
    metrics = metrics_of({(0, "float32"): DENSE}).assign(phase=phase)
    with pytest.raises(ValueError, match="has not finished"):
        final_table(metrics)


def test_without_dense_returns_are_given_and_nothing_is_compared() -> None:
    metrics = metrics_of({(0.5, "float32"): DENSE})
    table = final_table(metrics)
    assert list(table["verdict"]) == ["no dense"]
    assert table.loc[0, "return_iqm"] == pytest.approx(102.5)
    assert np.isnan(table.loc[0, "difference"]) and table.loc[0, "pairs"] == 0
    assert str(no_loss(table)[0]) == ("No dense network to compare with; sparsity.levels has no 0.")
    assert criterion(default_margin(metrics), table, 0.2) == ""


def test_sentence_names_the_highest_level_and_the_gaps_below_it() -> None:
    good = [value + seed for seed, value in enumerate(DENSE)]
    metrics = metrics_of(
        {
            (0, "float32"): DENSE,
            (0.5, "float32"): good,
            (0.8, "float32"): [20.0, 190.0, 90.0, 90.0],
            (0.9, "float32"): good,
            (0.95, "float32"): [1.0, 2.0, 3.0, 2.0],
            (0.9, "int8"): [1.0, 2.0, 3.0, 2.0],
        }
    )
    pruned, quantized = map(str, no_loss(final_table(metrics, margin=5.0)))
    assert "up to 50 % sparsity (by itself 90 % too, but 80 % is not); at 50 %, mean" in pruned
    assert "mean difference +1.5 " in pruned and "4 seeds" in pruned
    assert "worse than dense at 90 %, the only level tried; mean difference -99" in quantized


def test_a_study_in_which_every_member_failed_has_a_table_that_claims_nothing() -> None:
    variants = [DENSE_VARIANT, Variant(sparsity=0.9), Variant(arithmetic="int8")]
    rows = [
        Row(100, "final", seed, variant.name, "failed", 1.0)
        for variant in variants
        for seed in (0, 1, 2)
    ]
    metrics = joined(table_of(rows), {variant.name: variant for variant in variants})
    table = final_table(metrics)
    assert list(table["seeds"]) == [0, 0, 0] and list(table["failed"]) == [3, 3, 3]
    assert list(table["verdict"]) == ["", "no dense", "no dense"]
    assert [str(sentence) for sentence in no_loss(table)] == [
        "No dense network to compare with; dense failed in every seed.",
    ]
    assert "0 of 3" in markdown_table(table)


def test_where_a_method_chooses_the_level_is_what_it_reached() -> None:
    variants = [
        DENSE_VARIANT,
        *(Variant(method=name, sparsity=0.9) for name in ("set", "adaptive")),
    ]
    metrics = metrics_of_variants({variant: DENSE for variant in variants})
    found = [0.61, 0.62, 0.64, 0.65]
    reached = [
        Row(100, "final", seed, variant.name, "sparsity", value)
        for variant, values in zip(variants, ([0.0] * 4, [0.9] * 4, found), strict=True)
        for seed, value in enumerate(values)
    ]
    rows = joined(table_of(reached), {variant.name: variant for variant in variants})
    table = final_table(pd.concat([metrics, rows])).set_index("variant")
    assert table["target_sparsity"].to_dict() == {"0": 0.0, "set-0.9": 0.9, "adaptive-0.9": 0.63}
