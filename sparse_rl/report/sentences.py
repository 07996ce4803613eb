"""What the statistics say, in words that claim no more than they hold."""

from __future__ import annotations

import pandas as pd

from sparse_rl.report.statistics import (
    NOT_WORSE,
    TOO_FEW_SEEDS,
    UNDECIDED,
    WORSE,
    Margin,
    highest_not_worse,
)

KINDS = {
    "float32": "Pruned",
    "int8": "Pruned with int8 weights and activations",
    "int8w": "Pruned with int8 weights",
}


def criterion(margin: Margin) -> str:
    """The criterion of "not worse" with its numbers."""
    return (
        f'An arm is called "not worse" than dense if the 95 % interval of its paired '
        f"difference lies wholly above -{margin.value:,.4g} ({margin.origin})."
    )


def no_loss(table: pd.DataFrame) -> list[str]:
    """How far each kind of compression in the table goes without loss: one sentence each."""
    sentences = []
    for quantization, kind in KINDS.items():
        rows = table[(table["quantization"] == quantization) & (table["asked_sparsity"] > 0)]
        if rows.empty:
            continue
        best = highest_not_worse(table, quantization)
        if best is None:
            sentences.append(f"{kind}: {_nothing_shown(rows)}")
            continue
        below = rows[
            (rows["asked_sparsity"] < best["asked_sparsity"]) & (rows["verdict"] != NOT_WORSE)
        ]
        exceptions = "" if below.empty else f" (though it is not shown for {_levels(below)})"
        sentences.append(
            f"{kind}: not worse than dense up to {level(best['asked_sparsity'])} sparsity"
            f"{exceptions}; there the mean return differs by {best['difference']:+,.4g} "
            f"(95 % interval {best['difference_low']:+,.4g} to {best['difference_high']:+,.4g}, "
            f"{best['pairs']} seeds)."
        )
    return sentences


def level(sparsity: float) -> str:
    """A sparsity as a percentage: 0.98 -> "98 %"."""
    return f"{100 * sparsity:g} %"


def _nothing_shown(rows: pd.DataFrame) -> str:
    verdicts = set(rows["verdict"])
    if verdicts == {TOO_FEW_SEEDS}:
        return "too few seeds to say whether anything is lost; an interval takes three."
    if verdicts == {WORSE}:
        return "every level tried is worse than dense."
    undecided = _levels(rows[rows["verdict"] == UNDECIDED])
    return f"no level is shown to be not worse than dense; undecided: {undecided or 'none'}."


def _levels(rows: pd.DataFrame) -> str:
    return ", ".join(level(sparsity) for sparsity in rows["asked_sparsity"])
