"""The final table of a run: one row per variant, compared with the dense network over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparse_rl.summary.estimates import (
    paired_difference,
    probability_of_improvement,
    return_estimate,
)
from sparse_rl.summary.kinds import by_kind, kind_of, variants

MARGIN_FRACTION = 0.05
"""A loss below this fraction of what training gained over acting at random counts as no loss."""

NOT_WORSE, WORSE, UNDECIDED = "not worse", "worse", "undecided"
TOO_FEW_SEEDS, NO_DENSE, NOT_FINISHED = "few seeds", "no dense", "not finished"
FAILED = "failed"
OF_DENSE = ""
"""In place of a verdict: this is the network that others are compared with."""


_NONE = pd.Series(dtype="float64", index=pd.Index([], dtype="int64"))


@dataclass(frozen=True)
class Margin:
    """How much lower a mean return may be and still count as no loss.

    Attributes:
        value: in units of return.
        origin: where the number comes from, in words.
    """

    value: float
    origin: str


def final_returns(metrics: pd.DataFrame) -> dict[str, pd.Series]:
    """Final evaluation of every variant: its name -> return by seed, without failed members.

    A member has failed if its metric `failed` is 1 or its final return is not a finite number.

    Raises:
        ValueError: the metrics have no final evaluation.
    """
    ended = metrics[metrics["phase"] == "final"]
    if ended.empty:
        raise ValueError("metrics.csv: no row of phase 'final': the run has not finished")
    final = ended[ended["metric"] == "return"]
    failed = metrics[(metrics["metric"] == "failed") & (metrics["value"] == 1)]
    returns = {}
    for variant in variants(metrics):
        own = final[final["variant"] == variant]
        by_seed = own.sort_values("step").groupby("seed")["value"].last()
        healthy = ~by_seed.index.isin(failed.loc[failed["variant"] == variant, "seed"])
        returns[variant] = by_seed[healthy & np.isfinite(by_seed)]
    return returns


def ended_seeds(metrics: pd.DataFrame) -> dict[str, pd.Index]:
    """The seeds of every variant whose training is over, failed ones too; none while it goes on.

    A variant is over when its final evaluation is there. What failed before counts as well.
    """
    ended = {}
    for variant in variants(metrics):
        own = metrics[metrics["variant"] == variant]
        final = own["phase"] == "final"
        failed = (own["metric"] == "failed") & (own["value"] == 1)
        seeds = own.loc[final | failed if final.any() else final, "seed"]
        ended[variant] = pd.Index(sorted(seeds.unique()))
    return ended


def dense_variant(metrics: pd.DataFrame) -> str:
    """The name of the dense network's variant; empty where the metrics have none."""
    for kind, rows in by_kind(metrics):
        if kind.is_dense and (rows["sparsity"] == 0).any():
            return str(rows.loc[rows["sparsity"] == 0, "variant"].iloc[0])
    return ""


def random_return(metrics: pd.DataFrame) -> float | None:
    """Mean return of acting at random, from the prefill's episodes; None where none are known."""
    prefill = metrics[metrics["phase"] == "prefill"]
    for metric in ("return", "train_return"):
        values = prefill.loc[prefill["metric"] == metric, "value"]
        values = values[np.isfinite(values)]
        if len(values):
            return float(values.mean())
    return None


def share_of_gain(trained: float, random: float) -> float:
    """5 % of what is above the return of acting at random; 0 where nothing is."""
    return MARGIN_FRACTION * max(trained - random, 0.0)


def default_margin(metrics: pd.DataFrame) -> Margin:
    """5 % of dense - random, the means of final return and of acting at random.

    0 where dense is no better than acting at random: nothing was gained that might be lost. Without
    recorded random returns it is 5 % of |dense|; without dense it is nan.
    """
    returns = final_returns(metrics).get(dense_variant(metrics), _NONE)
    if returns.empty:
        return Margin(float("nan"), "there is no dense return")
    dense = float(returns.mean())
    random = random_return(metrics)
    percent = f"{100 * MARGIN_FRACTION:g} %"
    if random is None:
        return Margin(
            MARGIN_FRACTION * abs(dense),
            f"{percent} of the dense return, as the run recorded no returns of acting at random",
        )
    value = share_of_gain(dense, random)
    if value == 0:
        return Margin(
            value, f"dense training has gained nothing over acting at random, {random:,.4g}"
        )
    return Margin(
        value,
        f"{percent} of the distance between the dense return and that of acting at random "
        f"({random:,.4g})",
    )


def final_table(metrics: pd.DataFrame, margin: float | None = None) -> pd.DataFrame:
    """One row per variant.

    Columns:
        variant (its name); method, critic_sparsity, arithmetic (its kind);
        target_sparsity, which is what was reached, to three decimals, where a method chooses;
            achieved_sparsity (mean over seeds);
        seeds (whose return counts), failed (that have none);
        return_iqm, return_low, return_high: interquartile mean over seeds and its 95 % bootstrap
            interval;
        difference, difference_low, difference_high: mean over seeds of the paired difference from
            dense, and its 95 % Student interval; pairs: over how many seeds. Of these, one that has
            failed counts as the lowest of acting at random and all final returns of the run: who
            trains with this variant may get nothing. Where dense has failed there is no pair;
        probability_of_improvement: that a seed of the variant beats a seed of dense;
        verdict: "not worse" if the interval of the difference lies above -margin, "worse" if it
            lies below 0 and reaches below -margin, "undecided" otherwise, "few seeds" without
            an interval, "no dense" without dense to compare with, "not finished" before its final
            evaluation, "" for dense itself;
        nonzero: weights that survive (mean over seeds).
    Numbers that the metrics do not have are nan.

    Args:
        margin: in units of return; None for `default_margin`.

    Raises:
        ValueError: no final evaluation.
    """
    returns, ended = final_returns(metrics), ended_seeds(metrics)
    baseline, nothing = dense_variant(metrics), _lowest(metrics, returns)
    dense = returns.get(baseline, _NONE)
    every_dense = dense.reindex(ended.get(baseline, _NONE.index), fill_value=nothing)
    allowed = default_margin(metrics).value if margin is None else margin
    rows = []
    for name, own in returns.items():
        of_variant = metrics[metrics["variant"] == name]
        final = of_variant[of_variant["phase"] == "final"]
        record = of_variant.iloc[0]
        achieved = _mean(final, "sparsity", own.index)
        kind = kind_of(record)
        chosen = not kind.has_target and np.isfinite(achieved)
        estimate = return_estimate(own.to_numpy(float))
        every = own.reindex(ended[name], fill_value=nothing)
        pairs = every.index.intersection(dense.index)
        row = {
            "variant": name,
            **kind._asdict(),
            "target_sparsity": round(achieved, 3) if chosen else record["sparsity"],
            "achieved_sparsity": achieved,
            "seeds": len(own),
            "failed": len(every) - len(own),
            "return_iqm": estimate.value,
            "return_low": estimate.low,
            "return_high": estimate.high,
        }
        if name == baseline:
            row |= dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
            row |= {"pairs": 0, "probability_of_improvement": np.nan, "verdict": OF_DENSE}
        else:
            difference = paired_difference(
                every[pairs].to_numpy(float), dense[pairs].to_numpy(float)
            )
            row |= {
                "difference": difference.value,
                "difference_low": difference.low,
                "difference_high": difference.high,
                "pairs": len(pairs),
                "probability_of_improvement": probability_of_improvement(
                    every.to_numpy(float), every_dense.to_numpy(float)
                ),
            }
            if every.empty:
                row["verdict"] = NOT_FINISHED
            elif dense.empty:
                row["verdict"] = NO_DENSE
            else:
                row["verdict"] = verdict(difference.low, difference.high, allowed)
        row["nonzero"] = _mean(final, "nonzero", own.index)
        rows.append(row)
    return pd.DataFrame(rows)


def not_worse_in_order(table: pd.DataFrame) -> pd.Series:
    """Which rows are "not worse" together with every lower level above 0 of their kind.

    A fixed-sequence test: levels are tested from the lowest up, and what comes after the first
    that is not "not worse" is claimed no more. However many levels there are, the chance that the
    sparsest of a kind is claimed wrongly is that of a single verdict, 2.5 %: to go wrong, the
    lowest level that does lose must be called "not worse" (Maurer, Hothorn and Lehmacher 1995;
    Westfall and Krishen 2001). A variant that is not pruned stands for itself.
    """
    good = table["verdict"] == NOT_WORSE
    for _, rows in by_kind(table):
        levels = rows[rows["target_sparsity"] > 0].sort_values("target_sparsity", kind="stable")
        good[levels.index] = good[levels.index].cummin()
    return good


def verdict(low: float, high: float, margin: float) -> str:
    """What the interval of a difference says, by the rule of `final_table`."""
    if not np.isfinite(low):
        return TOO_FEW_SEEDS
    if low > -margin or (low == 0 and margin == 0):
        return NOT_WORSE
    return WORSE if high < 0 else UNDECIDED


def _lowest(metrics: pd.DataFrame, returns: Mapping[str, pd.Series]) -> float:
    """The lowest of acting at random and all final returns; nan where there is neither."""
    random = random_return(metrics)
    found = [*([] if random is None else [random]), *(own.min() for own in returns.values())]
    finite = [float(value) for value in found if np.isfinite(value)]
    return min(finite, default=float("nan"))


def _mean(rows: pd.DataFrame, metric: str, seeds: pd.Index) -> float:
    values = rows.loc[(rows["metric"] == metric) & rows["seed"].isin(seeds), "value"]
    return float(values.mean()) if len(values) else float("nan")
